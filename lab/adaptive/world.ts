// What a simulated transfer meets: link, guest, processors and receiver, and what a chunk costs there. Pure data and arithmetic.

import type { Candidate } from '../../src/transfer/adaptive/candidates.js';
import { MIB } from '../../src/units.js';

/** Milliseconds of the main thread per chunk, and per byte on the link. */
const PER_CHUNK = 0.06;
const PER_BYTE = 3e-7;
/** Milliseconds per MiB for reading, zero-page detection and checksums. */
const OVERHEAD_MS = 0.12;

export interface World {
  /** Rate of the link in bytes per second. */
  link: number;
  /** Bytes that the link takes at once after a rest: a token bucket, or buffers in switches. */
  burst: number;
  /** Share of the guest's bytes that are neither zero nor duplicates. */
  plain: number;
  /** Zero pages come in stretches of so many MiB, with data between them; 0 = they are spread evenly. */
  stretch: number;
  /** Encoded bytes at zstd 1 per byte of the share `plain`. */
  size: number;
  /** Milliseconds of zstd 1 for a MiB that consists only of such bytes. */
  time: number;
  /** Variation from one chunk to the next: 0.3 = up to 30 %. */
  noise: number;
  /** Deviation of this guest's levels from the expected ones: at 0.2, slow levels are slower and small ones smaller. */
  bend: number;
  /** Milliseconds that the input's reader needs for a chunk; 0 = at once. */
  reader: number;
  /**
   * At the start, work in the codec and work beside it take so many times as long, because code is not compiled and memory not
   * mapped; falls with e^(-t/ms).
   */
  cold: { codec: number; beside: number; ms: number };
  /** After about so many milliseconds of work, other programs have the processor for so long; every 0 = never. */
  steal: { every: number; ms: number };
  /** Milliseconds of the receiver: per chunk of any coding, per MiB from the link, per MiB of coded bytes only. */
  receiver: { chunk: number; wire: number; decode: number };
}

export const WORLD: World = {
  link: 125e6,
  burst: 0,
  plain: 0.9,
  stretch: 0,
  size: 0.16,
  time: 1.3,
  noise: 0.2,
  bend: 0,
  reader: 0,
  cold: { codec: 1, beside: 1, ms: 100 },
  steal: { every: 0, ms: 0 },
  receiver: { chunk: 0, wire: 0, decode: 0 },
};

export interface Slowness {
  readonly codec: number;
  readonly beside: number;
}

/** How many times as long work takes at this time. */
export function slownessAt({ cold }: World, milliseconds: number): Slowness {
  const left = Math.exp(-milliseconds / cold.ms);
  return { codec: 1 + (cold.codec - 1) * left, beside: 1 + (cold.beside - 1) * left };
}

/** A chunk and the candidate that codes it. */
export interface ChunkTraits {
  readonly bytes: number;
  /** Share of its bytes that are neither zero nor duplicates. */
  readonly plain: number;
  /** Of time and size. */
  readonly noiseFactor: number;
  /** How many times as long work takes now, in the codec and beside it. */
  readonly slowness: Slowness;
}

/** What the chunk costs. */
export interface Coded {
  /** Microseconds in the codec, and of the whole job. */
  readonly codec: number;
  readonly micros: number;
  /** Bytes left for the codec, and bytes on the link. */
  readonly plain: number;
  readonly wire: number;
}

export function code(
  { size, time, bend }: World,
  each: Candidate,
  { bytes, plain, noiseFactor, slowness }: ChunkTraits,
): Coded {
  const mib = bytes / MIB;
  const stored = each.codec === 'none';
  const codec = stored ? 0 : plain * mib * time * each.time ** (1 + bend) * noiseFactor * 1e3;
  const wire = stored ? plain : plain * Math.min(1, size * each.size ** (1 + bend) * noiseFactor);
  return {
    codec: codec * slowness.codec,
    micros: codec * slowness.codec + OVERHEAD_MS * mib * 1e3 * slowness.beside,
    plain: plain * bytes,
    wire: Math.round(wire * bytes) + 100,
  };
}

/** Milliseconds of the main thread. */
export function mainMs({ wire }: Coded): number {
  return PER_CHUNK + PER_BYTE * wire;
}

/** Milliseconds of the receiver. */
export function restoringMs({ receiver }: World, { wire, codec, plain }: Coded): number {
  return receiver.chunk + (receiver.wire * wire) / MIB + (codec > 0 ? (receiver.decode * plain) / MIB : 0);
}

/** Throughput of a fixed candidate, in bytes of guest memory per second, where nothing changes. */
export function steadyRate(world: World, each: Candidate, bytes: number): number {
  const coded = code(world, each, {
    bytes,
    plain: world.plain,
    noiseFactor: 1,
    slowness: { codec: 1, beside: 1 },
  });
  const cpu = (coded.micros / 1e3 + mainMs(coded)) / 1e3;
  const { link, reader } = world;
  return bytes / Math.max(cpu, coded.wire / link, reader / 1e3, restoringMs(world, coded) / 1e3);
}

/** The share of plain bytes in the chunk that begins at this offset. */
export function plainAt({ plain, stretch }: World, offset: number): number {
  if (stretch === 0) return plain;
  // Data first: a guest's lowest memory is used.
  const period = stretch / (1 - plain);
  return (offset / MIB) % period < period - stretch ? 1 : 0;
}
