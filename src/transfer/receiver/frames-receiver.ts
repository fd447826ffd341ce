// Receives method `stream`: standard frames. What tells where its frames are (ours, pzstd's) is decoded on the workers;
// what does not (zstd, lz4, gzip, pigz) by one thread, streaming, in bounded memory.
// Success of our own streams means that the totals were seen and are right; foreign ones end as unverified.

import { Buffer } from 'node:buffer';

import { detectLayout, type FrameLayout } from '../../container/frames/detect.js';
import { Effort } from '../../container/frames/effort.js';
import { MAX_UNIT_HEAD } from '../../container/frames/limits.js';
import { unitBound } from '../../container/frames/open-units.js';
import { FrameSplitter, type FrameUnit } from '../../container/frames/splitter.js';
import { StreamDecoder } from '../../container/frames/stream-decoder.js';
import type { ZstdEngineName } from '../../container/frames/zstd/engine-type.js';
import { TotalsDigest } from '../../container/frames/totals.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { PAGE_BYTES } from '../../page/size.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import type { SlotGeometry } from '../../slot/layout.js';
import { HOLDS } from '../../slot/decode-job.js';
import { TASK } from '../../slot/job.js';
import { DECOMPRESS_ENTRY } from '../../os/entries.js';
import { announcedGeometry, receiverGeometry, windowRoom } from '../plan/memory.js';
import { hangUp, type Outcome, type ReceiverSettings, type Receiving } from './receiving.js';
import { LookaheadBuffer } from './lookahead-buffer.js';

type Units = Extract<FrameLayout, { layout: 'units' }>;
type Chunk = Extract<FrameUnit, { kind: 'chunk' }>;
type Totals = Parameters<TotalsDigest['verify']>[0];

export class FramesReceiver implements Receiving {
  readonly #settings: ReceiverSettings;
  readonly #window: LookaheadBuffer;
  readonly #digest = new TotalsDigest();
  readonly #effort = new Effort();
  #pool: OrderedPool | undefined;
  /** Set while somebody waits for the pool. */
  #poolReady: (() => void) | undefined;
  #failure: RamferryError | undefined;
  /** What our announcement says of chunks. */
  #maxDecoded: number | undefined;
  #totals: Totals | undefined;
  #bytes = 0;
  #verified = false;

  constructor(settings: ReceiverSettings) {
    this.#settings = settings;
    this.#window = new LookaheadBuffer(settings);
  }

  abort(error: RamferryError): void {
    this.#failure ??= error;
    this.#pool?.fail(error);
    hangUp(this.#settings);
  }

  async run(): Promise<Outcome> {
    try {
      const layout = await this.#layout();
      if (layout.layout === 'units') await this.#units(layout);
      else await this.#foreign();
    } catch (thrown) {
      throw this.#failure ?? toRamferryError(thrown, 'ERR_STREAM_CODEC');
    }
    this.#settings.statistics.reachLinkByte(this.#window.offset);
    const sums = this.#verified ? { sums: this.#digest.sums() } : {};
    return { bytes: this.#bytes, verified: this.#verified, ...sums };
  }

  async #layout(): Promise<FrameLayout> {
    const window = this.#window;
    for (;;) {
      const layout = detectLayout(window.bytes, window.atEnd);
      if (layout !== undefined) return layout;
      await window.more();
    }
  }

  /** One thread, in order. */
  async #foreign(): Promise<void> {
    const window = this.#window;
    const { zstdBinding, memoryLimit } = this.#settings;
    const decoder = new StreamDecoder({
      offset: window.offset,
      maxWindow: windowRoom(memoryLimit),
      ...(zstdBinding === '' ? {} : { zstd: zstdBinding as ZstdEngineName }),
    });
    try {
      for (;;) {
        const { bytes } = window;
        await decoder.push(bytes, (piece) => this.#deliver(piece));
        window.drop(bytes.length);
        if (window.atEnd) break;
        await window.more();
      }
      decoder.end();
    } finally {
      decoder.close();
    }
  }

  async #deliver(bytes: Uint8Array): Promise<void> {
    await this.#settings.sink.write(bytes);
    this.#bytes += bytes.length;
    this.#effort.decoded(bytes.length);
    this.#settings.statistics.addGuestBytes(bytes.length);
    this.#settings.statistics.reachLinkByte(this.#window.offset);
  }

  /** Units on the workers; the first one that is not of this layout, and all after it, by one thread. */
  async #units(layout: Units): Promise<void> {
    const splitter = new FrameSplitter(layout);
    const parsing = this.#split(layout, splitter).then(
      (foreign) => {
        this.#pool?.end();
        return foreign;
      },
      (thrown: unknown) => {
        const error = toRamferryError(thrown);
        this.#failure ??= this.#pool === undefined ? error : undefined;
        this.#pool?.end(error);
        return false;
      },
    );
    await this.#poolOrEnd(parsing);
    const pool = this.#currentPool();
    if (pool !== undefined) {
      try {
        await this.#drain(pool, layout);
        await parsing;
      } catch (thrown) {
        pool.fail(toRamferryError(thrown));
        await this.#settings.source.close();
        await parsing;
        throw thrown;
      } finally {
        await pool.close();
      }
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (await parsing) await this.#foreign();
  }

  /** Set by the parser while we wait; a method, so that nobody takes the earlier value for granted. */
  #currentPool(): OrderedPool | undefined {
    return this.#pool;
  }

  /** The first chunk decides the size of the slots; a stream may end before it. */
  async #poolOrEnd(parsing: Promise<unknown>): Promise<void> {
    // A chunk that stands at the very start, as pzstd writes it, has been found already.
    if (this.#pool !== undefined) return;
    const ready = new Promise<void>((resolve) => (this.#poolReady = resolve));
    await Promise.race([ready, parsing]);
  }

  /** @returns whether the rest must be decoded by one thread */
  async #split(layout: Units, splitter: FrameSplitter): Promise<boolean> {
    const window = this.#window;
    for (;;) {
      const unit = splitter.next(window.bytes.subarray(0, MAX_UNIT_HEAD));
      if (unit === undefined) {
        if (window.atEnd) {
          splitter.end(window.offset + window.bytes.length);
          return false;
        }
        await window.more();
        continue;
      }
      if (unit.kind === 'rest') return true;
      if (unit.kind === 'chunk') {
        if (!(await this.#push(layout, unit))) return true;
      } else {
        if (unit.kind === 'totals') await this.#pushTotals(layout, unit.totals);
        else this.#maxDecoded = unit.maxDecoded;
        await this.#skip(unit.length);
      }
    }
  }

  async #skip(length: number): Promise<void> {
    await this.#window.move(Buffer.alloc(length));
  }

  /**
   * @returns false when the workers have no room for this frame of another program: from it on one thread decodes,
   *   which needs the frame's window only
   */
  async #push(layout: Units, unit: Chunk): Promise<boolean> {
    if (!layout.announced) this.#effort.item(unit.offset);
    const pool = this.#poolFor(layout, unit.decodedBound);
    if (pool === undefined) return false;
    const index = await pool.acquire();
    const slot = pool.slots[index]!;
    if (unit.decodedBound > slot.output.length || unit.length > slot.input.length) {
      pool.release(index);
      if (!layout.announced) return false;
      throw new RamferryError('ERR_STREAM_LIMIT', 'a frame is larger than the stream announced', {
        offset: unit.offset,
      });
    }
    await this.#window.move(slot.input.subarray(0, unit.length));
    const { decode } = slot;
    decode.begin();
    decode.task = TASK.unframe;
    decode.codec = layout.format;
    decode.inputLength = unit.length;
    decode.outputBound = unit.decodedLength ?? unit.decodedBound;
    decode.sequence = unit.sequence;
    decode.streamOffset = unit.offset;
    pool.push(index);
    return true;
  }

  async #pushTotals(layout: Units, totals: Totals): Promise<void> {
    // Totals stand in announced streams only, which have a pool or an error.
    const pool = this.#poolFor(layout, PAGE_BYTES)!;
    const index = await pool.acquire();
    this.#totals = totals;
    const { decode } = pool.slots[index]!;
    decode.begin();
    decode.holds = HOLDS.totals;
    pool.pushDone(index);
  }

  /**
   * @returns undefined when what another program wrote does not fit the memory limit
   * @throws ERR_STREAM_LIMIT when what a sender of ours announced does not
   */
  #poolFor(layout: Units, decodedBound: number): OrderedPool | undefined {
    if (this.#pool !== undefined) return this.#pool;
    const { threads, memoryLimit, codecBytes, zstdBinding } = this.#settings;
    const maxChunk = Math.max(this.#maxDecoded ?? decodedBound, decodedBound);
    const needs = {
      limit: memoryLimit,
      threads,
      chunkSize: maxChunk,
      codecBytes: codecBytes(maxChunk),
      extraSlots: 1,
      storeBytes: 0,
    };
    const geometry = layout.announced
      ? announcedGeometry(needs, unitBound(layout.format, maxChunk))
      : geometryIfItFits(needs, unitBound(layout.format, maxChunk));
    if (geometry === undefined) return undefined;
    this.#pool = new OrderedPool({
      entry: DECOMPRESS_ENTRY,
      threads,
      crew: this.#settings.crew?.(),
      geometry,
      onFewer: this.#settings.onFewer,
      startUp: { maxChunk, fd: -1, alignment: 1, zstdBinding },
    });
    if (this.#failure !== undefined) this.#pool.fail(this.#failure);
    this.#poolReady?.();
    return this.#pool;
  }

  async #drain(pool: OrderedPool, layout: Units): Promise<void> {
    const { statistics } = this.#settings;
    for (;;) {
      const index = await pool.next();
      if (index === undefined) break;
      const { decode, output } = pool.slots[index]!;
      if (decode.holds === HOLDS.totals) {
        this.#digest.verify(this.#totals!);
        this.#verified = true;
      } else {
        const decodedLength = decode.outputLength;
        const encodedLength = decode.inputLength;
        this.#digest.add({
          encodedLength,
          decodedLength,
          encodedHash: decode.encodedHash,
          decodedHash: decode.decodedHash,
        });
        await this.#deliver(output.subarray(0, decodedLength));
        statistics.addChunk({
          codec: layout.format,
          decoded: decodedLength,
          encoded: encodedLength,
          pages: { literal: Math.floor(decodedLength / PAGE_BYTES) },
          stored: false,
        });
      }
      pool.release(index);
    }
    statistics.recordBusy(pool.busy);
  }
}

function geometryIfItFits(
  needs: Parameters<typeof receiverGeometry>[0],
  input: number,
): SlotGeometry | undefined {
  try {
    return receiverGeometry(needs, input);
  } catch (thrown) {
    if (thrown instanceof RamferryError && thrown.code === 'ERR_MEMORY_LIMIT') return undefined;
    throw thrown;
  }
}
