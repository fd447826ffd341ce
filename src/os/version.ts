// The version of this package, from its package.json.

import { readFileSync } from 'node:fs';

import { PACKAGE_JSON } from './entries.js';

export function packageVersion(): string {
  return (JSON.parse(readFileSync(PACKAGE_JSON, 'utf8')) as { version: string }).version;
}
