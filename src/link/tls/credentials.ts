// Reads the certificates or keys of a directory that follows QEMU's file names. Checks what can be known before a connection: that
// files belong together, are in date, can be decrypted, and that no other user can read a key. Messages name the file.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';

import { RamferryError } from '../../errors.js';
import { systemText } from '../../io/system-error.js';
import { parseKeys } from './pre-shared-keys.js';
import type { TlsRole, TlsSettings } from './settings.js';

/** AES-128 first: with AES instructions it costs least. Node's own order puts ChaCha20 first for pre-shared keys. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const VERSIONS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
/** The identity that QEMU uses where none is given. */
const DEFAULT_IDENTITY = 'qemu';
/** Permission bits of group and others to read. */
const READABLE_BY_OTHERS = 0o044;

/** The files of a directory that may hold credentials. */
export const CREDENTIAL_FILES: readonly string[] = [
  ...['ca-cert.pem', 'ca-crl.pem', 'keys.psk'],
  ...['server-cert.pem', 'server-key.pem', 'client-cert.pem', 'client-key.pem'],
];

export interface TlsCredentials {
  /** What node:tls takes at both ends: versions, ciphers, certificates. */
  readonly context: tls.SecureContextOptions;
  /** Pre-shared keys by identity; undefined for certificates. */
  readonly keys: ReadonlyMap<string, Buffer> | undefined;
  /** The identity that a client sends. */
  readonly identity: string;
}

/** Whether a client must know the name of the host that it connects to: a certificate bears one, a pre-shared key does not. */
export function needsHostname({ keys }: TlsCredentials, name: string | undefined): boolean {
  return keys === undefined && name === undefined;
}

type Warn = ((text: string) => void) | undefined;

/** @throws ERR_TLS_CREDENTIALS when a file is missing, damaged, out of date or does not fit the others */
export function loadCredentials(settings: TlsSettings, role: TlsRole, onWarning?: Warn): TlsCredentials {
  const { directory, pskIdentity, passphraseFile } = settings;
  const at = (name: string): string => join(directory, name);
  const identity = pskIdentity ?? DEFAULT_IDENTITY;
  const keysPath = at('keys.psk');
  if (fs.existsSync(keysPath) && (pskIdentity !== undefined || !fs.existsSync(at('ca-cert.pem')))) {
    const keys = parseKeys(readSecret(keysPath, onWarning), keysPath);
    if (role === 'client' && !keys.has(identity)) {
      throw invalid(`${keysPath} has no key for '${identity}'`, 'name another with --tls-psk-identity');
    }
    return { context: { ...VERSIONS, ciphers: CIPHERS }, keys, identity };
  }
  const passphrase =
    passphraseFile === undefined ? undefined : firstLine(readSecret(passphraseFile, onWarning));
  const authorities = { ca: certificates(at('ca-cert.pem')).text, crl: readOptional(at('ca-crl.pem')) };
  const own = ownCertificate(at, role, passphrase, onWarning);
  try {
    const context = {
      ...VERSIONS,
      ciphers: CIPHERS,
      ...authorities,
      ...own,
      passphrase,
    };
    // Checks that they fit together.
    tls.createSecureContext(context);
    return { context, keys: undefined, identity };
  } catch (thrown) {
    throw invalid(
      `the files of ${directory} cannot be used together: ${systemText(thrown)}`,
      undefined,
      thrown,
    );
  }
}

interface Own {
  readonly cert?: string;
  readonly key?: string;
}

/** A client may have no certificate: the server decides whether it needs one. */
function ownCertificate(
  at: (name: string) => string,
  role: TlsRole,
  passphrase: string | undefined,
  onWarning: Warn,
): Own {
  const [certPath, keyPath] = [at(`${role}-cert.pem`), at(`${role}-key.pem`)];
  if (role === 'client' && !fs.existsSync(certPath) && !fs.existsSync(keyPath)) return {};
  const { text: cert, first: certificate } = certificates(certPath);
  const key = readSecret(keyPath, onWarning);
  const now = Date.now();
  if (now > Date.parse(certificate.validTo)) {
    throw invalid(
      `${certPath} has expired: it was valid until ${certificate.validTo}`,
      'issue a new certificate',
    );
  }
  if (now < Date.parse(certificate.validFrom)) {
    throw invalid(`${certPath} is not valid before ${certificate.validFrom}`, 'check the clock of this host');
  }
  if (!certificate.checkPrivateKey(privateKey(key, keyPath, passphrase))) {
    throw invalid(`${keyPath} is not the key of ${certPath}`, 'put the certificate and its own key there');
  }
  return { cert, key };
}

function privateKey(
  text: string,
  path: string,
  passphrase: string | undefined,
): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(passphrase === undefined ? text : { key: text, passphrase });
  } catch (thrown) {
    const encrypted = text.includes('ENCRYPTED');
    if (encrypted && passphrase === undefined) {
      throw invalid(
        `${path} is encrypted`,
        'name the file of its passphrase: --tls-key-passphrase-file FILE',
      );
    }
    throw invalid(
      encrypted ? `the passphrase does not decrypt ${path}` : `${path} holds no private key in PEM`,
      undefined,
      thrown,
    );
  }
}

interface Certificates {
  readonly text: string;
  /** The first of the file. */
  readonly first: X509Certificate;
}

function certificates(path: string): Certificates {
  const text = read(path);
  try {
    return { text, first: new X509Certificate(text) };
  } catch (thrown) {
    throw invalid(`${path} holds no certificate in PEM`, undefined, thrown);
  }
}

function readSecret(path: string, onWarning: Warn): string {
  const text = read(path);
  if ((fs.statSync(path).mode & READABLE_BY_OTHERS) !== 0) {
    onWarning?.(`${path} can be read by other users: chmod 600 ${path}`);
  }
  return text;
}

function readOptional(path: string): string | undefined {
  return fs.existsSync(path) ? read(path) : undefined;
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (thrown) {
    throw invalid(
      `cannot read ${path}: ${systemText(thrown)}`,
      'the directory needs ca-cert.pem with server-cert.pem and server-key.pem (a listener) or client-cert.pem and ' +
        'client-key.pem (a caller), or keys.psk',
      thrown,
    );
  }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0]!;
}

function invalid(what: string, hint?: string, cause?: unknown): RamferryError {
  return new RamferryError('ERR_TLS_CREDENTIALS', what, { ...(hint === undefined ? {} : { hint }), cause });
}
