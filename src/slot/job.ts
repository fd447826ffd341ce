// What a job is made of: the numbers at the start of a slot, written by the main thread before it pushes the slot,
// and the results that the worker puts beside them. Everything else a worker needs came with its start-up data.

/** Indices into a slot's 32-bit integers. */
export const JOB = {
  /** One of STATE; the worker stores it last, before it says that it has finished. */
  state: 0,
  /** What is to be done: one of TASK. */
  task: 1,
  /** Bytes in the input area, or to be read into it. */
  inputLength: 2,
  /** Entries of the segment table that are in use. */
  segments: 3,
  codec: 4,
  /** 0: without the codec. Read once, when the job begins: until then the main thread may change its mind. */
  level: 5,
  flags: 6,
  /** Where in the output area the record begins: set by the main thread, which puts a container's header before it. */
  outputOffset: 7,
  /** Result: length of the record from there on. */
  outputLength: 8,
  /** Microseconds of the worker's time that the job took. */
  micros: 9,
  /** What the slot holds: one of HOLDS. */
  holds: 10,
  /** What follows it: bits of AFTER. */
  after: 11,
  /** Where in the input area the record begins (decoding). */
  inputOffset: 12,
  /** 1 where a record around the chunk or after it has the bytes of its header in big-endian order. */
  bigEndian: 13,
  /** 1 where the page store has suggestions for the chunk's pages. */
  suggested: 14,
  /** Results: what they were good for (StoreTally in chunk/store-plan.ts). */
  compared: 15,
  overflow: 16,
  deltaBytes: 17,
  twins: 18,
  sampled: 19,
  gain: 20,
  cost: 28,
  /** Codec and level with which the same bytes are coded once more, and the result thrown away; codec 0 = not at all. */
  trialCodec: 21,
  trialLevel: 22,
  /** Results of a watched job, microseconds of processor time: the whole job, its codec, the trial. */
  jobCpu: 23,
  codecCpu: 24,
  trialCpu: 25,
  /** Result: bytes that the trial gave. */
  trialLength: 26,
  /** Result: bytes that were handed to the codec. */
  plainLength: 27,
  /** Result: the level that the worker found when it began. */
  usedLevel: 29,
  /** 1 where the chunk holds bytes of no known structure (method `xenguest`: its record has another type). */
  rest: 30,
  /** 1 where the extent that the worker would read lies wholly in a hole of the file: its bytes are zero. Matters with `readAt`. */
  hole: 31,
} as const;

/** Indices into a slot's doubles (integers below 2^53). */
export const JOB_WIDE = {
  sequence: 0,
  /** Position of the chunk in the decoded stream. */
  offset: 1,
  /** Position in the regular file that the worker reads itself; -1 when the input area is filled already. */
  readAt: 2,
  /** Position in the regular file that the worker writes itself; -1 when the main thread writes. */
  writeAt: 3,
  needs: 4,
  /** Offset in the encoded stream, for error messages. */
  streamOffset: 5,
} as const;

export const STATE = { free: 0, queued: 1, done: 2, failed: 3 } as const;

export const TASK = {
  /** Pages and skeleton to a chunk record. */
  encode: 1,
  /** The same without a codec: nothing is searched, nothing is compressed. */
  store: 2,
  /** A chunk record back to bytes. */
  decode: 3,
  /** Bytes to a standard frame, and back (method `stream`). */
  frame: 4,
  unframe: 5,
} as const;

export const HOLDS = {
  /** A chunk that a worker encodes or decodes. */
  chunk: 0,
  /** Bytes that travel as they are. */
  verbatim: 1,
  /** A totals record, to be compared in its turn. */
  totals: 2,
} as const;

export const AFTER = {
  /** A totals record is due behind it. */
  totals: 1,
  /** Its last bytes are a libxc image header, which may carry a mark. */
  image: 2,
  /** The record that marks a compressed stream is due behind it. */
  mark: 4,
} as const;

/**
 * How often the bytes of a chunk that went without a codec are coded in a trial: one that nobody else uses finds its tables
 * cold, and would look half as slow again as it is. The last time counts.
 */
export const STORED_TRIES = 2;

/** Indices into a slot's hashes (results of frame jobs). */
export const JOB_HASH = { encoded: 0, decoded: 1 } as const;

export const JOB_FLAG = {
  /** Decode what was encoded and compare before it leaves. */
  selfCheck: 1,
  /** Measure what the job costs. */
  watch: 2,
} as const;
