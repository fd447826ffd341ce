// The version of this package, from its package.json.

import { readFileSync } from 'node:fs';

export function packageVersion(): string {
  // dist/src/migration/version.js, in a checkout and in an installed package alike.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
