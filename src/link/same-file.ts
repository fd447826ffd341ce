// Input and output that are one: a file is refused, since reading it would follow what was just written. A socket is allowed
// (inetd, socat), and then each direction carries one stream.

import fs from 'node:fs';
import { RamferryError } from '../errors.js';
import type { Channel } from '../io/bytes.js';
import { formatAddress, type Address } from './address.js';

function statOf(address: Address, standard: number): fs.BigIntStats | undefined {
  try {
    if (address.kind === 'file') return fs.statSync(address.path, { bigint: true });
    if (address.kind === 'fd') return fs.fstatSync(address.fd, { bigint: true });
    return address.kind === 'stdio' ? fs.fstatSync(standard, { bigint: true }) : undefined;
  } catch {
    return undefined; // it does not exist, or opening it will say what is wrong
  }
}

/** Throws ERR_SAME_FILE. Only regular files and block devices count: /dev/null, terminals and sockets may be both. */
export function checkNotSameFile(input: Address, output: Address): void {
  const a = statOf(input, 0);
  const b = statOf(output, 1);
  if (a === undefined || b === undefined) return;
  const sameFile = a.isFile() && b.isFile() && a.dev === b.dev && a.ino === b.ino;
  const sameDevice = a.isBlockDevice() && b.isBlockDevice() && a.rdev === b.rdev;
  if (!sameFile && !sameDevice) return;
  throw new RamferryError(
    'ERR_SAME_FILE',
    `input (${formatAddress(input)}) and output (${formatAddress(output)}) are the same file`,
    { hint: 'choose another name for the output' },
  );
}

/**
 * The two ends as they may be used. Where both are one inherited socket, what it brings is the input: read as an answer of the output's
 * reader, too, its bytes would be lost from the stream.
 */
export function separateEnds(
  input: Address,
  output: Address,
  from: Channel,
  to: Channel,
): { from: Channel; to: Channel } {
  const a = statOf(input, 0);
  const b = statOf(output, 1);
  const same = a?.isSocket() === true && b?.isSocket() === true && a.dev === b.dev && a.ino === b.ino;
  // A path that names a socket is refused as a file.
  if (!same || input.kind === 'file' || output.kind === 'file') return { from, to };
  return {
    from: { source: from.source, sink: undefined, duplex: false },
    to: { source: undefined, sink: to.sink, duplex: false },
  };
}
