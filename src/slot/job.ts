// What every job has, whatever its kind: state, lengths, sequence number and cost, by name, over the numbers at the start of a slot.
// The main thread fills a request between begin() and the push; the worker adds the results. Each kind of job adds its own numbers,
// at places of their own (chunk-job.ts, encode-job.ts, decode-job.ts, scan-job.ts).

/** 32-bit integers, doubles (for integers that may exceed 2^31) and 64-bit checksums of a slot's job. */
export const JOB_INTS = 64;
export const JOB_DOUBLES = 16;
export const JOB_HASHES = 4;

/** The memory of a slot's job. */
export interface JobMemory {
  readonly ints: Int32Array;
  readonly doubles: Float64Array;
  readonly hashes: BigUint64Array;
}

export const STATE = { free: 0, queued: 1, done: 2, failed: 3 } as const;

/** What a worker does with a slot. */
export const TASK = {
  /** Pages and skeleton to a chunk record. */
  encode: 1,
  /** Bytes to a standard frame (method `stream`). */
  frame: 2,
  /** A chunk record back to bytes. */
  decode: 3,
  /** Standard frames back to bytes (method `stream`). */
  unframe: 4,
} as const;
export type Task = (typeof TASK)[keyof typeof TASK];

/** Indices of the integers that all kinds of jobs share: 0 to 7. */
const STATE_AT = 0;
const TASK_AT = 1;
const INPUT_LENGTH = 2;
const WATCHED = 3;
const OUTPUT_LENGTH = 4;
const WALL_MICROS = 5;
const CPU_MICROS = 6;

/** Index of the double that all kinds of jobs share; the others begin at 1. */
const SEQUENCE = 0;

export class Job {
  protected readonly ints: Int32Array;
  protected readonly doubles: Float64Array;
  protected readonly hashes: BigUint64Array;

  constructor({ ints, doubles, hashes }: JobMemory) {
    this.ints = ints;
    this.doubles = doubles;
    this.hashes = hashes;
  }

  /** Starts a new job: clears every request and every result of the one before. The slot must be the caller's. */
  begin(): void {
    this.ints.fill(0);
    this.doubles.fill(0);
    this.hashes.fill(0n);
  }

  /** One of STATE. Worker and main thread hand the slot over with it: it is stored last and read first. */
  get state(): number {
    return Atomics.load(this.ints, STATE_AT);
  }
  set state(state: number) {
    Atomics.store(this.ints, STATE_AT, state);
  }

  // --- request ---

  /** One of TASK. */
  get task(): number {
    return this.ints[TASK_AT]!;
  }
  set task(task: number) {
    this.ints[TASK_AT] = task;
  }

  /** Bytes in the input area, or to be read into it. */
  get inputLength(): number {
    return this.ints[INPUT_LENGTH]!;
  }
  set inputLength(bytes: number) {
    this.ints[INPUT_LENGTH] = bytes;
  }

  /** Whether the worker measures the processor time of the job. */
  get watched(): boolean {
    return this.ints[WATCHED] !== 0;
  }
  set watched(watched: boolean) {
    this.ints[WATCHED] = watched ? 1 : 0;
  }

  get sequence(): number {
    return this.doubles[SEQUENCE]!;
  }
  set sequence(sequence: number) {
    this.doubles[SEQUENCE] = sequence;
  }

  // --- results ---

  /** Bytes of the result in the output area; of a failed job, of its error. */
  get outputLength(): number {
    return this.ints[OUTPUT_LENGTH]!;
  }
  set outputLength(bytes: number) {
    this.ints[OUTPUT_LENGTH] = bytes;
  }

  /** Microseconds of the worker's time that the job took; 0 where no worker did it. */
  get wallMicros(): number {
    return this.ints[WALL_MICROS]!;
  }
  set wallMicros(micros: number) {
    this.ints[WALL_MICROS] = micros;
  }

  /** Microseconds of processor time of a watched job; 0 where it was not watched. */
  get cpuMicros(): number {
    return this.ints[CPU_MICROS]!;
  }
  set cpuMicros(micros: number) {
    this.ints[CPU_MICROS] = micros;
  }
}
