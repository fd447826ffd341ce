// Whether a transfer adapts, and within which bounds: from the options, the link and the memory that there is.

import fs from 'node:fs';

import { bindingInfo } from '../../codec/registry.js';
import type { Hello } from '../../control/negotiation.js';
import { libc } from '../../os/libc.js';
import { type Address, addressOf } from '../../link/address.js';
import type { Asked, Coding } from '../plan/coding.js';
import { allowedCpus } from '../../os/cpus.js';
import { hasRoom, receiverFloor } from '../plan/memory.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import { candidates } from '../adaptive/candidates.js';
import { Chooser } from '../adaptive/chooser.js';

/** Bytes flow through it to somebody: no regular file, which is the same every time it is made. */
function isFlow(address: Address): boolean {
  const flowing = (stats: fs.Stats | undefined): boolean =>
    stats !== undefined && (stats.isFIFO() || stats.isSocket());
  try {
    switch (address.kind) {
      case 'file':
        return flowing(fs.statSync(address.path, { throwIfNoEntry: false }));
      case 'stdio':
        return flowing(fs.fstatSync(1));
      case 'fd':
        return flowing(fs.fstatSync(address.fd));
      default:
        return true;
    }
  } catch {
    return false; // opening it will say what is wrong
  }
}

/** Whether what the kernel holds of a sink says how far the link has come: not in files, nor behind a rate limit of ours. */
function queueTells(address: Address, maxBandwidth: number): boolean {
  return maxBandwidth === 0 && address.kind !== 'stream' && libc() !== undefined && isFlow(address);
}

/** Whether codec and level are chosen while the transfer runs. A file is the same every time it is made. */
export function adapts(settings: ResolvedSendOptions, given: Asked): boolean {
  return settings.adaptive ?? (!given.codec && !given.level && isFlow(addressOf(settings.output)));
}

/**
 * Bytes of a chunk that the workers read from a file by themselves. Half as many chunks cost the main threads less, and a
 * core's caches still hold one (measured over fast links: 1 MiB takes up to 18 % longer, 4 MiB up to 4 %). Pages of a stream
 * would wait for each other.
 */
const EXTENT_BYTES = 2 * 1024 * 1024;

/** Chunks that are worked on for longer would lengthen the guest's downtime: milliseconds, */
const LONGEST_CHUNK_MS = 100;
/** and where the user has said that smaller is worth it. */
const LONGEST_WINDOW_MS = 2_000;

/** The one that speaks has said what it can take; of others nothing is known. */
function takes(hello: Hello | undefined, chunkSize: number): boolean {
  return hello !== undefined && hello.maxChunk >= chunkSize && hello.memory >= receiverFloor(chunkSize);
}

/**
 * The same coding with a chooser, the chunks that suit it, and memory for the highest level that it may choose.
 * @param extents the workers read the input, a regular file, by themselves
 */
export function adaptive(
  settings: ResolvedSendOptions,
  coding: Coding,
  given: Asked,
  hello: Hello | undefined,
  extents: boolean,
): Coding {
  const { codec, threads } = coding;
  const { memoryLimit, method, maxLevel, zstdBinding, maxBandwidth, maxCpu, window } = settings;
  const info = bindingInfo(codec, codec === 'zstd' ? { binding: zstdBinding } : {});
  const memory = (level: number, chunkSize: number): number =>
    info.memoryPerThread(level, chunkSize, window !== undefined);
  const fits = (level: number, chunkSize: number): boolean =>
    hasRoom(
      { limit: memoryLimit, threads, chunkSize, codecBytes: memory(level, chunkSize) },
      // Whoever asks for a window wants it small before it is fast.
      window === undefined ? undefined : threads + 1,
    );
  const list = candidates({
    codecs: [codec],
    none: method !== 'stream' && !given.codec && (hello?.codecs.includes('none') ?? true),
    maxLevel: Math.min(maxLevel, info.levels.max),
  }).filter(({ level }) => level <= 1 || fits(level, coding.chunkSize));
  if (list.length < 2) return coding;
  // A level is worth more than larger chunks.
  const wide =
    extents &&
    !given.maxChunk &&
    takes(hello, EXTENT_BYTES) &&
    list.every(({ level }) => fits(level, EXTENT_BYTES));
  const chunkSize = wide ? EXTENT_BYTES : coding.chunkSize;
  const chooser = new Chooser({
    candidates: list,
    machine: {
      threads,
      cpus: Math.min(allowedCpus(), maxCpu ?? Infinity),
      chunkSize,
      longestChunk: window === undefined ? LONGEST_CHUNK_MS : LONGEST_WINDOW_MS,
    },
    first: {
      ...(given.level ? { level: coding.level } : {}),
      ...(maxBandwidth > 0 ? { linkRate: maxBandwidth } : {}),
    },
    queueTells: queueTells(addressOf(settings.output), maxBandwidth),
  });
  return { ...coding, chunkSize, chooser, codecBytes: memory(list.at(-1)!.level, chunkSize) };
}
