// The job of a chunk on the sending side: what the worker is asked, what the container and the statistics note of the chunk, and
// the worker's results. It names numbers in shared memory and knows nothing of what becomes of them.

import type { StoreTally } from '../chunk/store-plan.js';
import { CODEC_ID, codecName, type CodecName } from '../codec/codec.js';
import { ChunkJob } from './chunk-job.js';

/**
 * How often a trial codes the bytes of a chunk that went without a codec; the last time counts. At the first time the codec finds
 * its tables out of the cache and takes half as long again.
 */
export const STORED_TRIES = 2;

/** Stands in `readAt` where the input area is filled already. */
const NOT_READ = -1;

// Integers: the request, notes for the writer, results.
const SEGMENT_COUNT = 8;
const LEVEL = 10;
const SELF_CHECK = 11;
const OUTPUT_OFFSET = 12;
const SUGGESTED = 13;
const TRIAL_CODEC = 14;
const TRIAL_LEVEL = 15;
const IN_HOLE = 16;
const VERBATIM = 17;
const TOTALS_FOLLOW = 18;
const ENDS_IN_IMAGE_HEADER = 19;
const MARK_FOLLOWS = 20;
const BIG_ENDIAN = 21;
const UNSTRUCTURED = 22;
const USED_LEVEL = 23;
const PLAIN_LENGTH = 24;
const CODEC_MICROS = 25;
const TRIAL_MICROS = 26;
const TRIAL_LENGTH = 27;
const COMPARED = 28;
const OVERFLOW = 29;
const DELTA_BYTES = 30;
const EQUAL_PAGES = 31;
const SAMPLED = 32;
const GAIN = 33;
const COST = 34;

// Doubles.
const OFFSET = 1;
const READ_AT = 2;
const NEEDS = 3;

export class EncodeJob extends ChunkJob {
  override begin(): void {
    super.begin();
    this.readAt = NOT_READ;
  }

  // --- request ---

  /** Entries of the segment table that are in use. */
  get segmentCount(): number {
    return this.ints[SEGMENT_COUNT]!;
  }
  set segmentCount(count: number) {
    this.ints[SEGMENT_COUNT] = count;
  }

  /** 0: without the codec. The worker reads it once, when it begins the job; until then the main thread may change it. */
  get level(): number {
    return Atomics.load(this.ints, LEVEL);
  }
  set level(level: number) {
    Atomics.store(this.ints, LEVEL, level);
  }

  /** Whether the worker decodes the result and compares it with the input. */
  get selfCheck(): boolean {
    return this.ints[SELF_CHECK] !== 0;
  }
  set selfCheck(selfCheck: boolean) {
    this.ints[SELF_CHECK] = selfCheck ? 1 : 0;
  }

  /** Where in the output area the record begins: behind the container's header, which the main thread adds. */
  get outputOffset(): number {
    return this.ints[OUTPUT_OFFSET]!;
  }
  set outputOffset(offset: number) {
    this.ints[OUTPUT_OFFSET] = offset;
  }

  /** Whether the slot's table has suggestions of the page store for the chunk's pages. */
  get suggested(): boolean {
    return this.ints[SUGGESTED] !== 0;
  }
  set suggested(suggested: boolean) {
    this.ints[SUGGESTED] = suggested ? 1 : 0;
  }

  /** The codec with which the same bytes are coded once more, to learn its cost; undefined = no trial. */
  get trialCodec(): CodecName | undefined {
    return codecName(this.ints[TRIAL_CODEC]!);
  }
  set trialCodec(codec: CodecName | undefined) {
    this.ints[TRIAL_CODEC] = codec === undefined ? 0 : CODEC_ID[codec];
  }

  get trialLevel(): number {
    return this.ints[TRIAL_LEVEL]!;
  }
  set trialLevel(level: number) {
    this.ints[TRIAL_LEVEL] = level;
  }

  /** Whether the chunk lies wholly in a hole of the file: its bytes are zero pages, and the input area does not have them. */
  get inHole(): boolean {
    return this.ints[IN_HOLE] !== 0;
  }
  set inHole(inHole: boolean) {
    this.ints[IN_HOLE] = inHole ? 1 : 0;
  }

  /** Position of the chunk in the decoded stream. */
  get offset(): number {
    return this.doubles[OFFSET]!;
  }
  set offset(offset: number) {
    this.doubles[OFFSET] = offset;
  }

  /** Position in the regular file that the worker reads itself; negative where the input area is filled already. */
  get readAt(): number {
    return this.doubles[READ_AT]!;
  }
  set readAt(position: number) {
    this.doubles[READ_AT] = position;
  }

  /** Chunks from the start of the stream that the page store must have before this one. */
  get needs(): number {
    return this.doubles[NEEDS]!;
  }
  set needs(chunks: number) {
    this.doubles[NEEDS] = chunks;
  }

  // --- notes for the writer ---

  /** Whether the input area leaves as it is: no worker sees the slot. */
  get verbatim(): boolean {
    return this.ints[VERBATIM] !== 0;
  }
  set verbatim(verbatim: boolean) {
    this.ints[VERBATIM] = verbatim ? 1 : 0;
  }

  /** Whether a totals record is due behind the chunk. */
  get totalsFollow(): boolean {
    return this.ints[TOTALS_FOLLOW] !== 0;
  }
  set totalsFollow(follow: boolean) {
    this.ints[TOTALS_FOLLOW] = follow ? 1 : 0;
  }

  /** Whether the last bytes are a libxc image header, which may carry a mark. */
  get endsInImageHeader(): boolean {
    return this.ints[ENDS_IN_IMAGE_HEADER] !== 0;
  }
  set endsInImageHeader(ends: boolean) {
    this.ints[ENDS_IN_IMAGE_HEADER] = ends ? 1 : 0;
  }

  /** Whether the record that marks a compressed stream is due behind the chunk. */
  get markFollows(): boolean {
    return this.ints[MARK_FOLLOWS] !== 0;
  }
  set markFollows(follows: boolean) {
    this.ints[MARK_FOLLOWS] = follows ? 1 : 0;
  }

  /** Whether the headers of records around the chunk or behind it are in big-endian order. */
  get bigEndian(): boolean {
    return this.ints[BIG_ENDIAN] !== 0;
  }
  set bigEndian(bigEndian: boolean) {
    this.ints[BIG_ENDIAN] = bigEndian ? 1 : 0;
  }

  /** Whether the chunk holds bytes of no known structure (method `xenguest`: its record has another type). */
  get unstructured(): boolean {
    return this.ints[UNSTRUCTURED] !== 0;
  }
  set unstructured(unstructured: boolean) {
    this.ints[UNSTRUCTURED] = unstructured ? 1 : 0;
  }

  // --- results ---

  /** The level that the worker found when it began. */
  get usedLevel(): number {
    return this.ints[USED_LEVEL]!;
  }
  set usedLevel(level: number) {
    this.ints[USED_LEVEL] = level;
  }

  /** Bytes that were handed to the codec. */
  get plainLength(): number {
    return this.ints[PLAIN_LENGTH]!;
  }
  set plainLength(bytes: number) {
    this.ints[PLAIN_LENGTH] = bytes;
  }

  /** Microseconds of processor time of a watched job's codec. */
  get codecMicros(): number {
    return this.ints[CODEC_MICROS]!;
  }
  set codecMicros(micros: number) {
    this.ints[CODEC_MICROS] = micros;
  }

  /** Microseconds of processor time of the trial. */
  get trialMicros(): number {
    return this.ints[TRIAL_MICROS]!;
  }
  set trialMicros(micros: number) {
    this.ints[TRIAL_MICROS] = micros;
  }

  /** Bytes that the trial gave. */
  get trialLength(): number {
    return this.ints[TRIAL_LENGTH]!;
  }
  set trialLength(bytes: number) {
    this.ints[TRIAL_LENGTH] = bytes;
  }

  /** What the suggestions were good for; all zero where there were none. */
  get tally(): StoreTally {
    const { ints } = this;
    return {
      compared: ints[COMPARED]!,
      overflow: ints[OVERFLOW]!,
      deltaBytes: ints[DELTA_BYTES]!,
      equalPages: ints[EQUAL_PAGES]!,
      sampled: ints[SAMPLED]!,
      gain: ints[GAIN]!,
      cost: ints[COST]!,
    };
  }
  set tally(tally: StoreTally) {
    const { ints } = this;
    ints[COMPARED] = tally.compared;
    ints[OVERFLOW] = tally.overflow;
    ints[DELTA_BYTES] = tally.deltaBytes;
    ints[EQUAL_PAGES] = tally.equalPages;
    ints[SAMPLED] = tally.sampled;
    ints[GAIN] = tally.gain;
    ints[COST] = tally.cost;
  }
}
