// Which RAM file of the source belongs to which one of the destination, by what both QEMUs say. Pure.
// QEMU's own stream names RAM blocks after their backends, so different ids would end the migration with the guest stopped.

import { type Hello, MAX_BACKEND_ID } from '../../../control/negotiation.js';
import { RamferryError } from '../../../errors.js';
import type { RamFile } from './ram-files.js';

/** A memory backend as the destination's hello announces it. */
export interface AnnouncedBackend {
  readonly id: string;
  /** Bytes. */
  readonly size: number;
  /** Address within the RAM that contains the backend; see MemoryBackend. */
  readonly address?: number | undefined;
  /** NUMA node of a memory device. */
  readonly node?: number | undefined;
}

/** The destination's RAM as its hello announces it. */
export interface AnnouncedRam {
  readonly ram?: readonly number[] | undefined;
  readonly ramBackends?: readonly AnnouncedBackend[] | undefined;
}

export interface Matched {
  /** In the destination's order. */
  readonly files: readonly RamFile[];
  /** True: matched by what both QEMUs say. False: by the order of `--ram`. */
  readonly matched: boolean;
}

/** Puts the source's files into the destination's order. @throws ERR_LINK_NEGOTIATION, ERR_GUEST_RAM */
export function matchRam(
  { ram, ramBackends }: AnnouncedRam,
  files: readonly RamFile[],
  ramUnchecked: boolean,
): Matched {
  if (ram === undefined) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'the peer is `ramferry receive`', {
      hint: '`migrate` needs `ramferry incoming` at the other end',
    });
  }
  const backends = files.map(({ backend }) => backend).filter((backend) => backend !== undefined);
  if (ramBackends !== undefined && backends.length === files.length) {
    const order = matchBackends(backends, ramBackends);
    return { files: order.map((backend) => files.find((file) => file.backend === backend)!), matched: true };
  }
  const ours = files.map(({ size }) => size);
  if (ram.join() !== ours.join()) {
    throw new RamferryError(
      'ERR_GUEST_RAM',
      `the RAM files have ${ours.join(', ')} bytes here and ${ram.join(', ')} at the destination`,
      { hint: 'start the destination with the same memory, and name its files in the same order' },
    );
  }
  if (files.length > 1 && !ramUnchecked) {
    throw unmatchedError(ramBackends === undefined ? 'the destination' : 'this side', files);
  }
  return { files, matched: false };
}

/**
 * Checks a source that names regions only by their order: version 0.1, or a source that does not know its own backends.
 * @throws ERR_GUEST_RAM
 */
export function checkUnmatched(files: readonly RamFile[], ramUnchecked: boolean): void {
  if (files.length > 1 && !ramUnchecked) throw unmatchedError('the source', files);
}

function unmatchedError(side: string, files: readonly RamFile[]): RamferryError {
  return new RamferryError(
    'ERR_GUEST_RAM',
    `${side} does not tell which memory backend each of its ${files.length} RAM files is`,
    {
      hint: 'use this version of ramferry on both sides, or vouch for the order of --ram with --ram-unchecked on both sides',
    },
  );
}

/** The part of the hello about RAM. It has backends only where every file has one: a source matches all of them or none. */
export function announcedRam(files: readonly RamFile[]): Pick<Hello, 'ram' | 'ramBackends'> {
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

const HINT = 'start the destination with the same memory backends: id, size and NUMA node';

/**
 * @returns the source's backends in the order of the destination's
 * @throws ERR_GUEST_RAM with every difference
 */
export function matchBackends<T extends AnnouncedBackend>(
  here: readonly T[],
  there: readonly AnnouncedBackend[],
): T[] {
  const differences: string[] = [];
  const left = new Map(here.map((backend) => [backend.id, backend]));
  const order: T[] = [];
  for (const theirs of there) {
    const ours = left.get(theirs.id);
    left.delete(theirs.id);
    if (ours === undefined) {
      differences.push(
        here.some(({ id }) => id === theirs.id)
          ? `the destination names memory backend ${theirs.id} twice`
          : `memory backend ${theirs.id} is at the destination only`,
      );
      continue;
    }
    order.push(ours);
    differences.push(...compare(ours, theirs));
  }
  for (const id of left.keys()) differences.push(`memory backend ${id} is at the source only`);
  if (differences.length === 0) return order;
  throw new RamferryError('ERR_GUEST_RAM', differences.join('; '), { hint: HINT });
}

function compare(ours: AnnouncedBackend, theirs: AnnouncedBackend): string[] {
  const differs = (what: string, here: string, there: string): string[] =>
    here === there
      ? []
      : [`memory backend ${ours.id} ${what} ${here} at the source and ${there} at the destination`];
  return [
    ...differs('has', `${ours.size} bytes`, `${theirs.size} bytes`),
    ...differs('belongs to', nodeText(ours), nodeText(theirs)),
    // An address that only one side knows is no difference.
    ...(ours.address === undefined || theirs.address === undefined
      ? []
      : differs('lies at', addressText(ours.address), addressText(theirs.address))),
  ];
}

function nodeText({ node }: AnnouncedBackend): string {
  return node === undefined ? 'no memory device' : `a memory device of NUMA node ${node}`;
}

function addressText(address: number): string {
  return `0x${address.toString(16)}`;
}
