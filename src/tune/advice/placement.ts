// Which processors the two sides of a transfer get when both run on this host. They are pinned apart where the user said how many
// each side has and the host has enough. Otherwise they share all of them. Pure, but for the list of processors.

import { readFileSync } from 'node:fs';

/** Which CPUs the two sides of a run had. */
export type Placement = PinnedPlacement | SharedPlacement;

/** Each side had CPUs of its own. */
export interface PinnedPlacement {
  /** Which shape. */
  readonly kind: 'pinned';
  /** Numbers of the sender's CPUs. */
  readonly sender: readonly number[];
  /** Numbers of the receiver's CPUs. */
  readonly receiver: readonly number[];
}

/** Both sides shared all CPUs. */
export interface SharedPlacement {
  /** Which shape. */
  readonly kind: 'shared';
  /** How many. */
  readonly cpus: number;
  /** Why they were not kept apart. */
  readonly why: string;
}

export interface PlacementQuestion {
  /** As given by the user; undefined where not. */
  readonly compressCpus: number | undefined;
  readonly decompressCpus: number | undefined;
  /** Numbers of the processors that this process may run on. */
  readonly processors: readonly number[];
  /** How many of them it may use at once: a control group's quota may be less. */
  readonly usable: number;
  /** taskset(1) is installed. */
  readonly canPin: boolean;
}

export function placementOf(question: PlacementQuestion): Placement {
  const { compressCpus, decompressCpus, processors, usable, canPin } = question;
  const shared = (why: string): Placement => ({ kind: 'shared', cpus: usable, why });
  if (compressCpus === undefined && decompressCpus === undefined) {
    return shared('neither --compress-cpus nor --decompress-cpus was given');
  }
  const here = compressCpus ?? usable;
  const there = decompressCpus ?? here;
  if (here + there > Math.min(usable, processors.length)) {
    return shared(`${here} + ${there} CPUs cannot be told apart on ${usable}`);
  }
  if (!canPin) return shared('taskset is not installed');
  return {
    kind: 'pinned',
    sender: processors.slice(0, here),
    receiver: processors.slice(here, here + there),
  };
}

/** Numbers of the processors in this process's affinity mask; none where the system does not say. */
export function allowedProcessors(): number[] {
  try {
    const [, list] = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
    return parseCpuList(list ?? '');
  } catch {
    return [];
  }
}

/** `0-3,8` as numbers (cpuset(7), list format). */
export function parseCpuList(list: string): number[] {
  return list
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first, last = first] = part.split('-').map(Number) as [number, number?];
      return Array.from({ length: last - first + 1 }, (_, step) => first + step);
    });
}
