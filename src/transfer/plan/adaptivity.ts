// Whether a transfer chooses codec and level while it runs, and within which bounds: from the options, the link and the memory
// that there is. Pure but for a look at the codecs that are installed.

import { bindingInfo } from '../../codec/registry.js';
import type { Hello } from '../../control/negotiation.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import { candidates } from '../adaptive/candidates.js';
import type { ChooserOptions } from '../adaptive/chooser.js';
import type { Named } from './coding.js';
import type { OutputFacts } from './ends.js';
import { hasRoom, receiverFloor } from './memory.js';
import type { Coding } from './transfer-plan.js';

/** Whether codec and level are chosen while the transfer runs. A regular file is the same every time it is made. */
export function adapts(
  { adaptive }: Pick<ResolvedSendOptions, 'adaptive'>,
  named: Named,
  output: OutputFacts,
): boolean {
  return adaptive ?? (!named.codec && !named.level && output.isLive);
}

/**
 * Bytes of a chunk that the workers read from a file by themselves. Half as many chunks cost the main threads less, and a
 * core's caches still hold one (measured over fast links: 1 MiB takes up to 18 % longer, 4 MiB up to 4 %). Pages of a stream
 * would wait for each other.
 */
const EXTENT_BYTES = 2 * 1024 * 1024;

/** A chunk that is worked on for longer would lengthen the guest's downtime. */
const LONGEST_CHUNK_MS = 100;
/** The same where the user asks for a long window, and so for a small stream before a fast one. */
const LONGEST_WINDOW_CHUNK_MS = 2_000;

/** A receiver of a one-way link has not said what it takes. */
function takes(hello: Hello | undefined, chunkSize: number): boolean {
  return hello !== undefined && hello.maxChunk >= chunkSize && hello.memory >= receiverFloor(chunkSize);
}

export interface AdaptivityQuestion {
  readonly settings: Pick<
    ResolvedSendOptions,
    'memoryLimit' | 'method' | 'maxLevel' | 'zstdBinding' | 'maxBandwidth' | 'maxCpu' | 'window'
  >;
  readonly coding: Coding;
  readonly named: Named;
  readonly hello: Hello | undefined;
  readonly output: OutputFacts;
  /** The workers read extents of the input, a regular file. */
  readonly byExtents: boolean;
  /** CPUs that the process may use. */
  readonly cpus: number;
}

export interface AdaptivityChoice {
  /** Absent where there is only one candidate. */
  readonly adaptivity?: ChooserOptions;
  /** With the chunks that suit it, and memory for the highest level that may be chosen. */
  readonly coding: Coding;
}

export function planAdaptivity(question: AdaptivityQuestion): AdaptivityChoice {
  const { settings, coding, named, hello, output } = question;
  const { codec, threads } = coding;
  const { memoryLimit, method, maxLevel, zstdBinding, maxBandwidth, window } = settings;
  const info = bindingInfo(codec, codec === 'zstd' ? { binding: zstdBinding } : {});
  const memory = (level: number, chunkSize: number): number =>
    info.memoryPerThread(level, chunkSize, window !== undefined);
  const fits = (level: number, chunkSize: number): boolean =>
    hasRoom(
      { limit: memoryLimit, threads, chunkSize, codecBytes: memory(level, chunkSize) },
      // With a long window a small stream matters more than a fast one: fewer slots do.
      window === undefined ? undefined : threads + 1,
    );
  const list = candidates({
    codecs: [codec],
    none: method !== 'stream' && !named.codec && (hello?.codecs.includes('none') ?? true),
    maxLevel: Math.min(maxLevel, info.levels.max),
  }).filter(({ level }) => level <= 1 || fits(level, coding.chunkSize));
  if (list.length < 2) return { coding };
  // A level is worth more than larger chunks.
  const wide =
    question.byExtents &&
    !named.maxChunk &&
    takes(hello, EXTENT_BYTES) &&
    list.every(({ level }) => fits(level, EXTENT_BYTES));
  const chunkSize = wide ? EXTENT_BYTES : coding.chunkSize;
  return {
    adaptivity: {
      candidates: list,
      machine: {
        threads,
        cpus: Math.min(question.cpus, settings.maxCpu ?? Infinity),
        chunkSize,
        longestChunk: window === undefined ? LONGEST_CHUNK_MS : LONGEST_WINDOW_CHUNK_MS,
      },
      first: {
        ...(named.level ? { level: coding.level } : {}),
        ...(maxBandwidth > 0 ? { linkRate: maxBandwidth } : {}),
      },
      queueTells: output.queueTells,
    },
    coding: { ...coding, chunkSize, codecBytes: memory(list.at(-1)!.level, chunkSize) },
  };
}
