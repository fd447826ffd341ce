// Finds the units of a stream that states the lengths of its frames: ramferry's and pzstd's.
// Reads the bytes at the start of each unit, keeps none of them, and checks every length against its limits.
// The caller keeps the bytes and decodes the units.

import { parseZstdHeader } from '../../codec/zstd-frame.js';
import { RamferryError } from '../../errors.js';
import { controlLength, gzipHeader, parseControlUnit } from './control.js';
import type { FrameLayout } from './detect.js';
import {
  GZIP_RECORD_OFFSET,
  GZIP_UNIT_HEADER_SIZE,
  gzipUnitBound,
  lz4UnitBound,
  PZSTD_HEADER_SIZE,
  zstdUnitBound,
} from './bounds.js';
import { MAGIC, MAX_CHUNK_DECODED, PZSTD_WINDOWS_PER_FRAME } from './limits.js';
import { parseLz4Header } from './lz4/frame.js';
import { placed } from './place.js';
import { MAX_RECORD_SIZE, parseRecord, RECORD_SIZE, type FrameFormat, type StreamTotals } from './record.js';
import { viewOf } from './unit.js';
import { loadStreamingZstd } from './zstd/streaming.js';

/** One unit of the stream: `length` bytes at `offset`. */
export type FrameUnit =
  | {
      readonly kind: 'announcement';
      readonly offset: number;
      readonly length: number;
      readonly maxDecoded: number;
    }
  | {
      readonly kind: 'chunk';
      readonly offset: number;
      readonly length: number;
      /** Position among the chunks, from 0. */
      readonly sequence: number;
      /** Decoded bytes; undefined for frames of pzstd, whose headers do not state them. */
      readonly decodedLength: number | undefined;
      /** Bytes that decoding needs: `decodedLength`, or the most that pzstd puts into such a frame. */
      readonly decodedBound: number;
    }
  | {
      readonly kind: 'totals';
      readonly offset: number;
      readonly length: number;
      readonly totals: StreamTotals;
    }
  /** From `offset` on the stream is not in pzstd's layout. A StreamDecoder must decode the rest. */
  | { readonly kind: 'rest'; readonly offset: number };

export interface SplitterOptions {
  /** Largest accepted chunk, in decoded bytes. */
  readonly maxDecoded?: number;
  /** Whether workers can decode frames of unknown size; if not, such frames are `rest`. Default: whether zstd-napi or libzstd loads. */
  readonly unsizedFrames?: boolean;
}

const BOUND: Readonly<Record<FrameFormat, (decodedLength: number) => number>> = {
  zstd: zstdUnitBound,
  lz4: lz4UnitBound,
  zlib: gzipUnitBound,
};

export class FrameSplitter {
  readonly #format: FrameFormat;
  readonly #announced: boolean;
  readonly #unsizedFrames: boolean | undefined;
  #maxDecoded: number;
  #offset = 0;
  #chunks = 0;
  #state: 'start' | 'units' | 'rest' | 'done' = 'start';

  constructor(layout: Extract<FrameLayout, { layout: 'units' }>, options: SplitterOptions = {}) {
    this.#format = layout.format;
    this.#announced = layout.announced;
    this.#maxDecoded = options.maxDecoded ?? MAX_CHUNK_DECODED;
    this.#unsizedFrames = options.unsizedFrames;
  }

  /** Offset of the next unit in the stream, in bytes. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Parses the start of the next unit, and moves `offset` beyond the unit.
   * @param head the available bytes at `offset`; MAX_UNIT_HEAD are enough
   * @returns undefined while more bytes are needed
   * @throws ERR_STREAM_FORMAT, ERR_STREAM_CHECKSUM, ERR_STREAM_LIMIT, ERR_STREAM_TRAILING
   */
  next(head: Uint8Array): FrameUnit | undefined {
    if (this.#state === 'rest') return { kind: 'rest', offset: this.#offset };
    if (head.length === 0) return undefined;
    if (this.#state === 'done') {
      throw this.#error('ERR_STREAM_TRAILING', 'bytes follow the totals of the stream');
    }
    const unit = this.#format === 'zlib' ? this.#gzipUnit(head) : this.#skippableUnit(head);
    if (unit === undefined) return undefined;
    this.#pass(unit);
    return unit;
  }

  /**
   * Checks the end of the input after `position` bytes.
   * @throws ERR_STREAM_TRUNCATED inside a unit, and before the totals of an announced stream
   */
  end(position: number): void {
    if (this.#state === 'rest') return;
    if (position !== this.#offset || this.#state === 'start') {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends inside a frame', { offset: position });
    }
    if (this.#announced && this.#state !== 'done') {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends before its totals', {
        offset: position,
      });
    }
  }

  #pass(unit: FrameUnit): void {
    const first = this.#state === 'start';
    if (this.#announced && first !== (unit.kind === 'announcement')) {
      throw this.#error('ERR_STREAM_FORMAT', first ? 'the announcement is missing' : 'a second announcement');
    }
    this.#state = 'units';
    switch (unit.kind) {
      case 'rest':
        this.#state = 'rest';
        return;
      case 'announcement':
        if (unit.maxDecoded > this.#maxDecoded) throw this.#tooLarge(unit.maxDecoded);
        this.#maxDecoded = unit.maxDecoded;
        break;
      case 'totals':
        this.#state = 'done';
        break;
      case 'chunk':
        this.#chunks += 1;
    }
    this.#offset += unit.length;
  }

  #skippableUnit(head: Uint8Array): FrameUnit | undefined {
    if (head.length < PZSTD_HEADER_SIZE + 4) return this.#shortUnit(head);
    const view = viewOf(head);
    const length = PZSTD_HEADER_SIZE + view.getUint32(8, true);
    const magic = view.getUint32(PZSTD_HEADER_SIZE, true);
    if (view.getUint32(0, true) !== MAGIC.pzstd || view.getUint32(4, true) !== 4) return this.#foreign();
    if (magic === MAGIC.ramferry) return this.#controlUnit(head, length);
    const frame = head.subarray(PZSTD_HEADER_SIZE);
    const at = this.#offset + PZSTD_HEADER_SIZE;
    if (this.#format === 'lz4' && magic === MAGIC.lz4) {
      const header = parseLz4Header(frame, at);
      return header && this.#chunk(length, header.contentSize, undefined);
    }
    if (this.#format === 'zstd' && magic === MAGIC.zstd) {
      const header = placed(at, () => parseZstdHeader(frame));
      if (header?.kind !== 'frame') return undefined;
      if (header.dictionaryId !== 0)
        throw this.#error('ERR_STREAM_FEATURE', 'a zstd frame needs a dictionary');
      return this.#chunk(length, header.contentSize, header.windowSize * PZSTD_WINDOWS_PER_FRAME);
    }
    return this.#foreign();
  }

  /** Handles too few bytes for the start of a unit: asks for more, unless the bytes so far cannot begin a unit. */
  #shortUnit(head: Uint8Array): FrameUnit | undefined {
    const expected = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0];
    const fits = expected.every((byte, at) => at >= head.length || head[at] === byte);
    return fits ? undefined : this.#foreign();
  }

  #gzipUnit(head: Uint8Array): FrameUnit | undefined {
    if (head.length < GZIP_RECORD_OFFSET) return undefined;
    const recordLength = viewOf(head).getUint16(14, true);
    if (recordLength > MAX_RECORD_SIZE) return this.#foreign();
    if (recordLength !== RECORD_SIZE.chunk) {
      return this.#controlUnit(head, controlLength('zlib', recordLength));
    }
    if (head.length < GZIP_UNIT_HEADER_SIZE) return undefined;
    const record = parseRecord(head.subarray(GZIP_RECORD_OFFSET, GZIP_UNIT_HEADER_SIZE), this.#offset);
    const header = head.subarray(0, GZIP_UNIT_HEADER_SIZE);
    const same = gzipHeader(header.subarray(GZIP_RECORD_OFFSET)).equals(header);
    if (!same || record.kind !== 'chunk' || record.format !== 'zlib') return this.#foreign();
    return this.#chunk(record.encodedLength, record.decodedLength, undefined);
  }

  #controlUnit(head: Uint8Array, length: number): FrameUnit | undefined {
    if (!this.#announced) {
      throw this.#error('ERR_STREAM_FORMAT', 'the announcement of the stream is missing or damaged');
    }
    const recordLength = length - controlLength(this.#format, 0);
    if (recordLength < 0 || recordLength > MAX_RECORD_SIZE) return this.#foreign();
    if (head.length < length) return undefined;
    const offset = this.#offset;
    const record = parseControlUnit(head.subarray(0, length), this.#format, offset);
    switch (record.kind) {
      case 'announcement':
        return { kind: 'announcement', offset, length, maxDecoded: record.maxDecoded };
      case 'totals':
        return { kind: 'totals', offset, length, totals: record.totals };
      case 'chunk':
        return this.#foreign();
    }
  }

  #chunk(length: number, decodedLength: number | undefined, bound: number | undefined): FrameUnit {
    const decodedBound = decodedLength ?? bound;
    const sized = decodedLength !== undefined || this.#takesUnsized();
    if (decodedBound === undefined || !sized) return this.#foreign();
    const fits = decodedBound <= this.#maxDecoded && length <= BOUND[this.#format](decodedBound);
    if (!fits) {
      if (this.#announced) throw this.#tooLarge(Math.max(decodedBound, length));
      return { kind: 'rest', offset: this.#offset };
    }
    return {
      kind: 'chunk',
      offset: this.#offset,
      length,
      sequence: this.#chunks,
      decodedLength,
      decodedBound,
    };
  }

  #takesUnsized(): boolean {
    return !this.#announced && (this.#unsizedFrames ?? loadStreamingZstd() !== undefined);
  }

  /** Handles bytes that are no unit: damage in an announced stream; in any other stream one thread decodes the rest. */
  #foreign(): FrameUnit {
    if (this.#announced) throw this.#error('ERR_STREAM_FORMAT', 'a frame of the stream is damaged');
    return { kind: 'rest', offset: this.#offset };
  }

  #tooLarge(size: number): RamferryError {
    return this.#error(
      'ERR_STREAM_LIMIT',
      `a chunk of ${size} bytes is larger than the limit of ${this.#maxDecoded}`,
      'Send with smaller chunks, or allow larger ones on the receiving side.',
    );
  }

  #error(code: RamferryError['code'], message: string, hint?: string): RamferryError {
    return new RamferryError(code, message, {
      offset: this.#offset,
      sequence: this.#chunks,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
