// Decides whether adaptive mode chooses codec and level while the transfer runs, and sets its bounds. Takes the options, the
// output and the available memory. Reads which codecs are installed; has no other side effects.

import { bindingInfo } from '../../codec/registry.js';
import type { Hello } from '../../control/negotiation.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import { candidates } from '../adaptive/candidates.js';
import type { ChooserOptions } from '../adaptive/chooser.js';
import type { FirstGuess, LearnedLink } from '../adaptive/history/prior.js';
import type { Named } from './coding.js';
import type { OutputFacts } from './ends.js';
import { hasRoom, receiverFloor } from './memory.js';
import type { Coding } from './transfer-plan.js';
import { MIB } from '../../units.js';

/**
 * Whether adaptive mode runs. By default it runs only on a live output and where the user gave neither codec nor level: a regular
 * file must have the same bytes every time.
 */
export function adapts(
  { adaptive }: Pick<ResolvedSendOptions, 'adaptive'>,
  named: Named,
  output: OutputFacts,
): boolean {
  return adaptive ?? (!named.codec && !named.level && output.isLive);
}

/**
 * Chunk size where the workers read extents of a file. Fewer, larger chunks cost the main threads less, and a core's caches still
 * hold a chunk (measured over fast links: 1 MiB takes up to 18 % longer, 4 MiB up to 4 %). A stream gets smaller chunks, because
 * its pages would wait until the chunk is full.
 */
const EXTENT_BYTES = 2 * MIB;

/** A chunk that takes longer to compress would lengthen the guest's downtime. */
const LONGEST_CHUNK_MS = 100;
/** The same with a long window: the user then prefers a small stream to a fast one. */
const LONGEST_WINDOW_CHUNK_MS = 2_000;

/** Whether the receiver can hold chunks of this size. False on a one-way link, where the receiver sends no hello. */
function receiverHolds(hello: Hello | undefined, chunkSize: number): boolean {
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
  /** What earlier transfers have measured; absent = nothing is remembered. */
  readonly recall?: Recall | undefined;
}

/** @param codec codec and binding, as in HistoryKey */
export type Recall = (codec: string) => FirstGuess;

export interface AdaptivityChoice {
  /** Absent where there is only one candidate. */
  readonly adaptivity?: ChooserOptions;
  /** The coding with the chunk size for adaptive mode, and codec memory for the highest level that may be chosen. */
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
      // With a long window the user prefers a small stream to a fast one, so fewer slots suffice.
      window === undefined ? undefined : threads + 1,
    );
  const list = candidates({
    codecs: [codec],
    none: method !== 'stream' && !named.codec && (hello?.codecs.includes('none') ?? true),
    maxLevel: Math.min(maxLevel, info.levels.max),
  }).filter(({ level }) => level <= 1 || fits(level, coding.chunkSize));
  if (list.length < 2) return { coding };
  const historyName = `${codec} ${info.binding}`;
  const remembered = question.recall?.(historyName) ?? {};
  // Larger chunks must not cost a level: a level gains more.
  const usesLargeChunks =
    question.byExtents &&
    !named.maxChunk &&
    receiverHolds(hello, EXTENT_BYTES) &&
    list.every(({ level }) => fits(level, EXTENT_BYTES));
  const chunkSize = usesLargeChunks ? EXTENT_BYTES : coding.chunkSize;
  return {
    adaptivity: {
      candidates: list,
      machine: {
        threads,
        cpus: Math.min(question.cpus, settings.maxCpu ?? Infinity),
        chunkSize,
        longestChunk: window === undefined ? LONGEST_CHUNK_MS : LONGEST_WINDOW_CHUNK_MS,
      },
      historyName,
      first: {
        ...remembered,
        ...(named.level ? { level: coding.level } : {}),
        ...(maxBandwidth > 0 ? { link: limited(remembered.link, maxBandwidth) } : {}),
      },
      queueTells: output.queueTells,
    },
    coding: { ...coding, chunkSize, codecBytes: memory(list.at(-1)!.level, chunkSize) },
  };
}

/** A link behind ramferry's own rate limit: no faster than the limit. */
function limited(link: LearnedLink | undefined, maxBandwidth: number): LearnedLink {
  const isSlower = link?.limited === true && link.rate < maxBandwidth;
  return { rate: isSlower ? link.rate : maxBandwidth, limited: true };
}
