// Certificates and keys for tests, made once for a test file by scripts/make-test-certs. Without openssl there are none, and the tests
// that need them skip.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';

import type { TlsSettings } from '../../../src/link/tls/settings.js';

const SCRIPT = new URL('../../../../scripts/make-test-certs', import.meta.url).pathname;

export interface Certificates {
  /** Settings with the files of one folder of the script. */
  tls(folder: string, more?: Partial<TlsSettings>): TlsSettings;
  directory(folder: string): string;
}

/** @returns undefined where openssl is missing */
export function makeCertificates(): Certificates | undefined {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-certs-'));
  after(() => fs.rmSync(root, { recursive: true, force: true }));
  const { status } = spawnSync(SCRIPT, [root], { stdio: 'ignore' });
  if (status !== 0) return undefined;
  const directory = (folder: string): string => path.join(root, folder);
  return {
    directory,
    tls: (folder, more = {}) => ({ directory: directory(folder), verifyPeer: true, authz: [], ...more }),
  };
}
