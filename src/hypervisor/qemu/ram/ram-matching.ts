// Which RAM file of the source belongs to which one of the destination: by what both QEMUs say. Pure.
// QEMU's own stream names RAM blocks after their backends, so ids that differ end every migration, with the guest stopped.

import { RamferryError } from '../../../errors.js';

/** What one side tells the other of a memory backend. */
export interface ToldBackend {
  readonly id: string;
  /** Bytes. */
  readonly size: number;
  /** Where it lies in the RAM that contains it; see MemoryBackend. */
  readonly address?: number | undefined;
  /** NUMA node of a memory device. */
  readonly node?: number | undefined;
}

const HINT = 'start the destination with the same memory backends: id, size and NUMA node';

/**
 * @returns the source's backends in the order in which the destination told its own
 * @throws ERR_GUEST_RAM with every difference
 */
export function matchBackends<T extends ToldBackend>(here: readonly T[], there: readonly ToldBackend[]): T[] {
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

function compare(ours: ToldBackend, theirs: ToldBackend): string[] {
  const differs = (what: string, here: string, there: string): string[] =>
    here === there
      ? []
      : [`memory backend ${ours.id} ${what} ${here} at the source and ${there} at the destination`];
  return [
    ...differs('has', `${ours.size} bytes`, `${theirs.size} bytes`),
    ...differs('belongs to', nodeText(ours), nodeText(theirs)),
    // An address that one side does not know is no difference.
    ...(ours.address === undefined || theirs.address === undefined
      ? []
      : differs('lies at', addressText(ours.address), addressText(theirs.address))),
  ];
}

function nodeText({ node }: ToldBackend): string {
  return node === undefined ? 'no memory device' : `a memory device of NUMA node ${node}`;
}

function addressText(address: number): string {
  return `0x${address.toString(16)}`;
}
