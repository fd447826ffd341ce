// What the destination tells of its RAM in the hello, and what it demands of a source that has not used it. Pure.

import { type Hello, MAX_BACKEND_ID } from '../../../control/negotiation.js';
import { RamferryError } from '../../../errors.js';
import type { RamFile } from './ram-files.js';

/** Backends only where every file has one: a source matches all of them or none. */
export function toldRam(files: readonly RamFile[]): Pick<Hello, 'ram' | 'ramBackends'> {
  const ram = files.map(({ size }) => size);
  const backends = files.map(({ backend }) => backend).filter((backend) => backend !== undefined);
  if (backends.length < files.length || backends.some(({ id }) => id.length > MAX_BACKEND_ID)) return { ram };
  return {
    ram,
    ramBackends: backends.map(({ id, size, address, node }) => ({
      id,
      size,
      ...(address === undefined ? {} : { address }),
      ...(node === undefined ? {} : { node }),
    })),
  };
}

/**
 * The source names regions by their order only: version 0.1, or one that could not find out its own backends.
 * @throws ERR_GUEST_RAM
 */
export function checkUnmatched(files: readonly RamFile[], ramUnchecked: boolean): void {
  if (files.length === 1 || ramUnchecked) return;
  throw new RamferryError(
    'ERR_GUEST_RAM',
    `the source does not tell which memory backend each of its ${files.length} RAM files is`,
    {
      hint: 'use this version of ramferry on both sides, or vouch for the order of --ram with --ram-unchecked on both sides',
    },
  );
}
