// The geometry of shared memory: one arena per transfer, cut into slots of equal size.
// A slot holds one chunk while it is worked on: the numbers of its job, tables of segments and pages, an input and an
// output area. Each has a fixed place in the slot.

import { PAGE_BYTES } from '../page/size.js';
import { DecodeJob } from './decode-job.js';
import { EncodeJob } from './encode-job.js';
import { Job, JOB_DOUBLES, JOB_HASHES, JOB_INTS, type JobMemory } from './job.js';
import { ScanJob } from './scan-job.js';

const JOB_BYTES = JOB_INTS * 4 + (JOB_DOUBLES + JOB_HASHES) * 8;
/** Areas begin at pages of the host: direct I/O needs its memory aligned. */

export interface SlotGeometry {
  readonly slots: number;
  /** Entries of the segment table (two 32-bit integers each). */
  readonly segments: number;
  /** Pages in the table of what the page store suggests (two 32-bit integers each); absent = no such table. */
  readonly suggestions?: number;
  /** Bytes in front of the input area that a worker may use: it puts a chunk's operations right before the content. */
  readonly headroom: number;
  readonly input: number;
  readonly output: number;
  /** Where in the arena the first slot begins, at most a page: direct I/O needs its memory aligned. */
  readonly base?: number;
}

export interface SlotViews {
  /** The numbers of the slot's job, and views of them: what all kinds of jobs have, and each kind. */
  readonly memory: JobMemory;
  readonly job: Job;
  readonly encode: EncodeJob;
  readonly decode: DecodeJob;
  readonly scan: ScanJob;
  readonly segments: Int32Array;
  readonly suggestions: Int32Array;
  /** Headroom and input area together; the input begins at `headroom`. */
  readonly front: Buffer;
  readonly input: Buffer;
  readonly output: Buffer;
}

function pad(n: number): number {
  return Math.ceil(n / PAGE_BYTES) * PAGE_BYTES;
}

/** Bytes of address space that one slot takes. Memory that is never touched costs nothing. */
export function slotBytes(geometry: Omit<SlotGeometry, 'slots' | 'base'>): number {
  return frontBytes(geometry) + pad(geometry.input) + pad(geometry.output);
}

/** Everything before the input. */
function frontBytes({ segments, suggestions = 0, headroom }: Omit<SlotGeometry, 'slots' | 'base'>): number {
  return pad(JOB_BYTES + (segments + suggestions) * 8 + headroom);
}

/** Bytes of the slots' memory: one page more than the slots need, so that they can be moved to where direct I/O works. */
export function arenaBytes(geometry: SlotGeometry): number {
  return PAGE_BYTES + slotBytes(geometry) * geometry.slots;
}

export function allocateArena(geometry: SlotGeometry): SharedArrayBuffer {
  return new SharedArrayBuffer(arenaBytes(geometry));
}

/** Views of the slots. Every thread makes its own, of the same memory. */
export function slotViews(arena: SharedArrayBuffer, geometry: SlotGeometry): SlotViews[] {
  const size = slotBytes(geometry);
  const segmentsAt = JOB_BYTES;
  // The headroom ends where the input begins, and the input begins at a page boundary of the arena.
  const inputAt = frontBytes(geometry);
  const suggestionsAt = segmentsAt + geometry.segments * 8;
  const outputAt = inputAt + pad(geometry.input);
  return Array.from({ length: geometry.slots }, (_, index) => {
    const base = (geometry.base ?? 0) + index * size;
    const memory = {
      ints: new Int32Array(arena, base, JOB_INTS),
      doubles: new Float64Array(arena, base + JOB_INTS * 4, JOB_DOUBLES),
      hashes: new BigUint64Array(arena, base + JOB_INTS * 4 + JOB_DOUBLES * 8, JOB_HASHES),
    };
    return {
      memory,
      job: new Job(memory),
      encode: new EncodeJob(memory),
      decode: new DecodeJob(memory),
      scan: new ScanJob(memory),
      segments: new Int32Array(arena, base + segmentsAt, geometry.segments * 2),
      suggestions: new Int32Array(arena, base + suggestionsAt, (geometry.suggestions ?? 0) * 2),
      front: Buffer.from(arena, base + inputAt - geometry.headroom, geometry.headroom + geometry.input),
      input: Buffer.from(arena, base + inputAt, geometry.input),
      output: Buffer.from(arena, base + outputAt, geometry.output),
    };
  });
}
