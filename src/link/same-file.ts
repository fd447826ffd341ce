// Detects an input and an output that are the same. A file is refused, because the transfer would read its own output. A socket
// is allowed (inetd, socat), and then each direction carries one stream.

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
    return undefined; // The file does not exist, or opening it reports the error.
  }
}

/** Compares regular files and block devices only: /dev/null, terminals and sockets may be both ends. @throws ERR_SAME_FILE */
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
 * Returns the two ends for the transfer. Where both are one inherited socket, each end gets one direction of it. Otherwise the
 * transfer would read bytes of the input as the output reader's answer, and the stream would lose them.
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
