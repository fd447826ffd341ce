// The credentials of a listener that lives longer than its certificate: files that have changed are read again before the next
// handshake. Files that cannot be used are reported once, and the last good ones stay in use.

import fs from 'node:fs';
import { join } from 'node:path';

import { toRamferryError } from '../../errors.js';
import { CREDENTIAL_FILES, loadCredentials, type TlsCredentials } from './credentials.js';
import type { TlsRole, TlsSettings } from './settings.js';

export class RenewedCredentials {
  readonly #settings: TlsSettings;
  readonly #role: TlsRole;
  readonly #onWarning: ((text: string) => void) | undefined;
  #stamp: string;
  #loaded: TlsCredentials;

  /** @throws ERR_TLS_CREDENTIALS */
  constructor(settings: TlsSettings, role: TlsRole, onWarning?: (text: string) => void) {
    this.#settings = settings;
    this.#role = role;
    this.#onWarning = onWarning;
    this.#stamp = this.#look();
    this.#loaded = loadCredentials(settings, role, onWarning);
  }

  current(): TlsCredentials {
    const stamp = this.#look();
    if (stamp === this.#stamp) return this.#loaded;
    this.#stamp = stamp;
    try {
      this.#loaded = loadCredentials(this.#settings, this.#role, this.#onWarning);
    } catch (thrown) {
      const { message } = toRamferryError(thrown);
      this.#onWarning?.(`the changed TLS files are not used, those from before stay in use: ${message}`);
    }
    return this.#loaded;
  }

  /** Changes when one of the files does. */
  #look(): string {
    const { directory, passphraseFile } = this.#settings;
    const paths = CREDENTIAL_FILES.map((name) => join(directory, name));
    if (passphraseFile !== undefined) paths.push(passphraseFile);
    return paths.map(stampOf).join(' ');
  }
}

function stampOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = fs.statSync(path);
    return `${dev}:${ino}:${size}:${mtimeMs}`;
  } catch {
    // Missing or unreadable: loading the file says which.
    return '-';
  }
}
