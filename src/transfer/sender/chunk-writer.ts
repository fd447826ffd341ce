// `ChunkWriter`: takes finished chunks from the pool in stream order, adds the container and writes them to the sink. The link's
// back-pressure and the delivery window limit its speed. Reports each write to the pace, adaptive mode, the page store and the
// statistics. It neither opens nor closes the sink.

import type { OutgoingChunk, Outlet } from '../../container/outlet.js';
import type { ByteSink } from '../../io/bytes.js';
import { monotonicMs } from '../../os/time/clock.js';
import type { OrderedPool } from '../../pool/ordered-pool.js';
import type { Chooser } from '../adaptive/chooser.js';
import { wasStored } from '../statistics/counts.js';
import type { DeliveryWindow } from '../pace/delivery-window.js';
import { LinkPace } from '../pace/link-pace.js';
import type { SwitchoverPace } from '../pace/switchover-pace.js';
import type { SendingStore } from './sending-store.js';
import type { Statistics } from '../statistics/statistics.js';

/** The figures of one write. */
interface Written {
  readonly bytes: number;
  /** Start in milliseconds (monotonicMs()). */
  readonly began: number;
  /** End in milliseconds. */
  readonly ended: number;
  /** Bytes in the kernel's send queue at the start; undefined without adaptive mode. */
  readonly before: number | undefined;
  /** The write waited for the delivery window. */
  readonly heldBack: boolean;
}

export interface ChunkWriterSettings {
  readonly sink: ByteSink;
  /** The container of the stream. */
  readonly outlet: Outlet;
  /** Chooses codec and level of each chunk (adaptive mode). */
  readonly chooser?: Pick<Chooser, 'prepare' | 'redirect' | 'departed' | 'wrote'> | undefined;
  /** Delays chunks while too many bytes are in flight; absent where the receiver sends no acknowledgements. */
  readonly deliveryWindow?: DeliveryWindow | undefined;
  /** Told of every write. */
  readonly switchover?: SwitchoverPace | undefined;
  /** Called when the sink has taken the last byte, before the threads end. */
  readonly onWritten?: (() => void) | undefined;
  readonly statistics: Statistics;
  readonly pool: OrderedPool;
  readonly store: SendingStore | undefined;
  /** Most chunks in one write. More than one only for a file, where no reader waits for each chunk. */
  readonly atOnce: number;
}

export class ChunkWriter {
  readonly #settings: ChunkWriterSettings;
  readonly #pace = new LinkPace(monotonicMs);
  /** Decoded bytes whose write has begun. The receiver may have a part of them. */
  handed = 0;
  /** The write of the stream's end has begun. */
  closing = false;

  constructor(settings: ChunkWriterSettings) {
    this.#settings = settings;
  }

  /**
   * Writes until the pool has ended.
   * @param complete whether the input ended at the end that its format defines; called after the last chunk
   */
  async run(complete: () => boolean): Promise<void> {
    const { outlet, chooser, sink, pool, store } = this.#settings;
    await this.#write([outlet.head()]);
    for (;;) {
      const indices = await this.#ready();
      if (indices.length === 0) break;
      const departures: OutgoingChunk[] = [];
      const pieces: Uint8Array[] = [];
      for (const index of indices) {
        const slot = pool.slots[index]!;
        if (slot.encode.inputLength > 0) {
          const departure = outlet.depart(slot);
          if (departure.chunk !== undefined) store?.departed(slot.encode);
          departures.push(departure);
          pieces.push(departure.bytes);
        }
        if (slot.encode.markFollows && outlet.mark !== undefined) pieces.push(outlet.mark(slot));
        if (slot.encode.totalsFollow) pieces.push(outlet.totals(slot));
      }
      const decoded = departures.reduce((sum, { decodedLength }) => sum + decodedLength, 0);
      const write = await this.#write(pieces, decoded);
      for (const departure of departures) this.#departed(departure);
      if (chooser !== undefined && write !== undefined) {
        for (const index of indices) chooser.departed(pool.slots[index]!.encode);
        // After a write that the delivery window delayed, the kernel's queue is short although the path to the receiver is the limit.
        const { heldBack, ...figures } = write;
        const changed = chooser.wrote({ ...figures, queued: heldBack ? undefined : sink.queued() });
        if (changed) for (const { encode } of pool.pending()) chooser.redirect(encode);
      }
      for (const index of indices) pool.release(index);
    }
    this.closing = true;
    await this.#write([outlet.tail(complete())]);
    this.#settings.onWritten?.();
  }

  /** Waits for finished chunks. @returns their slots, at least one; none at the end */
  async #ready(): Promise<number[]> {
    const { pool, atOnce } = this.#settings;
    const indices: number[] = [];
    let index = await pool.next();
    while (index !== undefined) {
      indices.push(index);
      index = indices.length < atOnce ? pool.nextNow() : undefined;
    }
    return indices;
  }

  #departed({ bytes, decodedLength, chunk }: OutgoingChunk): void {
    const { statistics } = this.#settings;
    statistics.addGuestBytes(decodedLength);
    if (chunk !== undefined) {
      statistics.addChunk({
        codec: chunk.codec,
        decoded: decodedLength,
        encoded: bytes.length,
        pages: chunk,
        stored: wasStored(chunk.codec, chunk),
      });
    }
  }

  /** @param decoded bytes of the guest's stream in these pieces; 0 = the pieces hold no chunk */
  async #write(pieces: readonly Uint8Array[], decoded = 0): Promise<Written | undefined> {
    const { sink, statistics, deliveryWindow, pool, chooser, switchover } = this.#settings;
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    if (bytes === 0) return undefined;
    const before = chooser === undefined ? undefined : sink.queued();
    const began = monotonicMs();
    // The delivery window delays the write and not the read. So the pace and adaptive mode measure it as back-pressure of the link. The
    // input is still flushed, its end is still detected, and all threads still get chunks.
    const heldBack = decoded > 0 && deliveryWindow !== undefined && (await deliveryWindow.room());
    deliveryWindow?.sent(decoded);
    this.handed += decoded;
    if (sink.writeAll !== undefined) await sink.writeAll(pieces);
    else for (const piece of pieces) await sink.write(piece);
    const ended = monotonicMs();
    this.#pace.wrote(bytes, ended - began, pieces.length, heldBack);
    pool.limit = this.#pace.chunks;
    switchover?.wrote(decoded);
    statistics.addLinkBytes(bytes);
    return { bytes, began, ended, before, heldBack };
  }
}
