// The receiving side of method `stream`: standard frames. Frames with stated lengths (ramferry's, pzstd's) become chunks for
// the workers. The inlet decodes all other frames (zstd, lz4, gzip, pigz) itself, in order and in bounded memory.
// A ramferry stream must end with matching totals. Any other stream ends as unverified.

import { Buffer } from 'node:buffer';

import { RamferryError, toRamferryError } from '../errors.js';
import { LookaheadBuffer } from '../io/lookahead-buffer.js';
import { PAGE_BYTES } from '../page/size.js';
import { TASK } from '../slot/job.js';
import { detectLayout, type FrameLayout } from './frames/detect.js';
import { Effort } from './frames/effort.js';
import { MAX_UNIT_HEAD } from './frames/limits.js';
import { unitBound } from './frames/bounds.js';
import { FrameSplitter, type FrameUnit } from './frames/splitter.js';
import { StreamDecoder } from './frames/stream-decoder.js';
import { TotalsDigest } from './frames/totals.js';
import type { ZstdEngineName } from './frames/zstd/engine-type.js';
import type {
  ArrivedChunk,
  Arrivals,
  ChunkPages,
  Delivery,
  Inlet,
  InletInput,
  InletOutcome,
  SlotSizes,
} from './inlet.js';

type Units = Extract<FrameLayout, { layout: 'units' }>;
type Chunk = Extract<FrameUnit, { kind: 'chunk' }>;
type Totals = Parameters<TotalsDigest['verify']>[0];

export interface FramesInput extends InletInput {
  /** Largest window, in bytes, of a frame that the inlet decodes itself. */
  readonly maxWindow: number;
  /** Forces a zstd binding; empty for the best one installed. */
  readonly zstdBinding: string;
}

export class FramesInlet implements Inlet {
  readonly task = TASK.unframe;
  readonly prefix = 0;
  readonly #input: FramesInput;
  readonly #ahead: LookaheadBuffer;
  readonly #digest = new TotalsDigest();
  readonly #effort = new Effort();
  #slots: SlotSizes | undefined;
  /** The largest chunk that the stream announces. */
  #maxDecoded: number | undefined;
  #totals: Totals | undefined;
  #bytes = 0;
  #verified = false;

  constructor(input: FramesInput) {
    this.#input = input;
    this.#ahead = new LookaheadBuffer(input);
  }

  async read(arrivals: Arrivals): Promise<void> {
    const layout = await this.#detectLayout();
    if (layout.layout === 'units') {
      if (!(await this.#readUnits(layout, arrivals))) return;
      // The memory limit covers either the slots or the decoder: the slots are freed first.
      await arrivals.settle();
    }
    try {
      await this.#decodeForeign(arrivals);
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC');
    }
  }

  deliver(_chunk: ArrivedChunk, { decode }: Delivery): ChunkPages {
    const decodedLength = decode.outputLength;
    this.#digest.add({
      encodedLength: decode.inputLength,
      decodedLength,
      encodedHash: decode.encodedHash,
      decodedHash: decode.decodedHash,
    });
    this.#add(decodedLength);
    return { literal: Math.floor(decodedLength / PAGE_BYTES) };
  }

  passed(bytes: Uint8Array): void {
    this.#add(bytes.length);
  }

  verify(): void {
    this.#digest.verify(this.#totals!);
    this.#verified = true;
  }

  outcome(): InletOutcome {
    const sums = this.#verified ? { sums: this.#digest.sums() } : {};
    return { bytes: this.#bytes, verified: this.#verified, ...sums };
  }

  #add(decodedLength: number): void {
    this.#bytes += decodedLength;
    this.#effort.decoded(decodedLength);
  }

  async #detectLayout(): Promise<FrameLayout> {
    const ahead = this.#ahead;
    for (;;) {
      const layout = detectLayout(ahead.bytes, ahead.atEnd);
      if (layout !== undefined) return layout;
      await ahead.more();
    }
  }

  /** Decodes foreign frames from the current offset to the end of the stream. */
  async #decodeForeign(arrivals: Arrivals): Promise<void> {
    const ahead = this.#ahead;
    const { zstdBinding, maxWindow } = this.#input;
    const decoder = new StreamDecoder({
      offset: ahead.offset,
      maxWindow,
      ...(zstdBinding === '' ? {} : { zstd: zstdBinding as ZstdEngineName }),
    });
    const emit = (piece: Uint8Array): Promise<void> | void =>
      arrivals.pass(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
    try {
      for (;;) {
        const { bytes } = ahead;
        await decoder.push(bytes, emit);
        ahead.drop(bytes.length);
        arrivals.taken(bytes.length);
        if (ahead.atEnd) break;
        await ahead.more();
      }
      decoder.end();
    } finally {
      decoder.close();
    }
  }

  /** @returns true when the rest of the stream has no units, so that the inlet must decode it */
  async #readUnits(layout: Units, arrivals: Arrivals): Promise<boolean> {
    const ahead = this.#ahead;
    const splitter = new FrameSplitter(layout);
    for (;;) {
      const unit = splitter.next(ahead.bytes.subarray(0, MAX_UNIT_HEAD));
      if (unit === undefined) {
        if (ahead.atEnd) {
          splitter.end(ahead.offset + ahead.bytes.length);
          return false;
        }
        await ahead.more();
        continue;
      }
      if (unit.kind === 'rest') return true;
      if (unit.kind === 'chunk') {
        if (!(await this.#readChunk(layout, unit, arrivals))) return true;
      } else {
        if (unit.kind === 'announcement') this.#maxDecoded = unit.maxDecoded;
        else await this.#reportTotals(layout, unit.totals, arrivals);
        await ahead.move(Buffer.alloc(unit.length));
      }
      arrivals.taken(unit.length);
    }
  }

  /**
   * @returns false when a foreign frame does not fit the slots. The inlet then decodes the stream from this frame on. That
   *   needs memory for the frame's window only.
   */
  async #readChunk(layout: Units, unit: Chunk, arrivals: Arrivals): Promise<boolean> {
    const { offset, length, sequence, decodedBound } = unit;
    if (!layout.announced) this.#effort.item(offset);
    const slots = this.#openSlots(layout, decodedBound, arrivals);
    if (slots === undefined) return false;
    if (decodedBound > slots.output || length > slots.input) {
      if (!layout.announced) return false;
      throw new RamferryError('ERR_STREAM_LIMIT', 'a frame is larger than the stream announced', { offset });
    }
    const body = await arrivals.room(length);
    await this.#ahead.move(body);
    const decodedLength = unit.decodedLength ?? decodedBound;
    arrivals.chunk({ sequence, codec: layout.format, decodedLength, length, offset }, body);
    return true;
  }

  async #reportTotals(layout: Units, totals: Totals, arrivals: Arrivals): Promise<void> {
    // An announcement above the limits is an error even when no chunk follows it.
    this.#openSlots(layout, PAGE_BYTES, arrivals);
    this.#totals = totals;
    await arrivals.totals();
  }

  /**
   * Opens the slots with the size that the first chunk needs.
   * @returns undefined when a foreign stream does not fit the memory limit
   * @throws ERR_STREAM_LIMIT when a ramferry stream does not fit the memory limit
   */
  #openSlots({ format, announced }: Units, decodedBound: number, arrivals: Arrivals): SlotSizes | undefined {
    if (this.#slots !== undefined) return this.#slots;
    const maxChunk = Math.max(this.#maxDecoded ?? decodedBound, decodedBound);
    this.#slots = arrivals.open({
      ...{ maxChunk, inputBytes: unitBound(format, maxChunk), storeBytes: 0 },
      ...{ window: 1, positioned: false, optional: !announced },
    });
    return this.#slots;
  }
}
