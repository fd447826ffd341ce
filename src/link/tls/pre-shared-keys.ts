// Pre-shared keys of a `keys.psk` file, as GnuTLS's psktool writes it and QEMU reads it: a line `identity:hexkey` each. An identity
// that begins with `#` is in hexadecimal.

import { RamferryError } from '../../errors.js';

/** Bytes. RFC 8446 asks for as many bits as the hash at the other end of the connection is worth; shorter keys can be guessed. */
const LEAST_KEY = 16;
/** Bytes: OpenSSL's PSK_MAX_PSK_LEN. */
const LONGEST_KEY = 512;

/** @throws ERR_TLS_CREDENTIALS with the number of the line. Never quotes a key */
export function parseKeys(text: string, path: string): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const colon = line.lastIndexOf(':');
    const identity = identityOf(line.slice(0, colon));
    const digits = line.slice(colon + 1).trim();
    const isHex = /^([0-9a-fA-F]{2})+$/.test(digits);
    const bytes = digits.length / 2;
    if (colon < 1 || identity === undefined || !isHex || bytes < LEAST_KEY || bytes > LONGEST_KEY) {
      throw new RamferryError(
        'ERR_TLS_CREDENTIALS',
        `line ${index + 1} of ${path} is no identity with a key of ${LEAST_KEY} to ${LONGEST_KEY} bytes in hexadecimal`,
        { hint: `make the file with: psktool -u qemu -p ${path}` },
      );
    }
    // psktool appends; the first line of an identity is the one that GnuTLS finds.
    if (!keys.has(identity)) keys.set(identity, Buffer.from(digits, 'hex'));
  }
  if (keys.size > 0) return keys;
  throw new RamferryError('ERR_TLS_CREDENTIALS', `${path} has no key`, {
    hint: `make one with: psktool -u qemu -p ${path}`,
  });
}

function identityOf(text: string): string | undefined {
  if (!text.startsWith('#')) return text;
  const digits = text.slice(1);
  return /^([0-9a-fA-F]{2})+$/.test(digits) ? Buffer.from(digits, 'hex').toString() : undefined;
}
