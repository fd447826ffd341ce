// Refuses to read and write one and the same file: reading it would follow what was just written.
import fs from 'node:fs';
import { RamferryError } from '../errors.js';
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
