// Receives a Xen stream: our records are decoded, everything else passes untouched (method `xenguest`).
// A stream without our records passes as it is and ends as unverified. One with them must show the totals that the
// sender counted, before its END, or at the end of the input where it broke off or is wrapped.
// A bare libxc stream is read exactly to its END.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../chunk/encode.js';
import { CHUNK_OVERHEAD, type ChunkHeader, readChunkHeader } from '../chunk/record.js';
import { codecName } from '../codec/codec.js';
import {
  checkPadding,
  cutMayBeginAt,
  ENVELOPE_BYTES,
  type Envelope,
  isCut,
  isCutRecord,
  isDamagedTotals,
  LIBXC_HEADER_BYTES,
  readEnvelope,
  TOTALS_RECORD_BYTES,
  XENGUEST_RECORD,
  XenguestTotals,
} from '../container/xenguest.js';
import { RamferryError, toRamferryError } from '../errors.js';
import type { LibxcRecord } from '../grammar/libxc-records.js';
import { type XenKind, XenWalk } from '../grammar/xen-wrapping.js';
import { OrderedPool } from '../pool/ordered-pool.js';
import { HOLDS, JOB, JOB_WIDE, TASK } from '../slot/job.js';
import { allocateStore } from '../store/shared.js';
import { DECOMPRESS_ENTRY } from './entries.js';
import { receiverGeometry } from './memory.js';
import type { Outcome, ReceiverSettings, Receiving } from './receiving.js';
import { wasStored } from './statistics.js';
import { FindingCollector } from './xen-findings.js';

const BUFFER_BYTES = 256 * 1024;

/** A chunk record that is being read. */
interface Arriving {
  readonly record: LibxcRecord;
  readonly slot: number;
}

export class XenReceiver implements Receiving {
  readonly #settings: ReceiverSettings;
  readonly #walk: XenWalk;
  readonly #collector = new FindingCollector();
  readonly #totals = new XenguestTotals();
  #pool: OrderedPool | undefined;
  #draining: Promise<void> | undefined;
  #failure: RamferryError | undefined;
  #envelope: Envelope | undefined;
  #arriving: Arriving | undefined;
  /** Sequence number of the next chunk. */
  #sequence = 0;
  /** Our records have been seen. */
  #ours = false;
  /** A totals record stands directly before the place at hand. */
  #totalled = false;
  /** It said that nothing follows. */
  #cutSeen = false;
  /** A bare stream has come to its END. */
  #ended = false;
  /** Verbatim bytes that may turn out to be the beginning of the totals of a stream that broke off. */
  #held = Buffer.alloc(0);
  /** The last verbatim bytes before the place at hand, delivered or held, as many as totals have. */
  #last = Buffer.alloc(0);

  constructor(settings: ReceiverSettings, kind: XenKind) {
    this.#settings = settings;
    this.#walk = new XenWalk(kind);
  }

  abort(error: RamferryError): void {
    this.#failure ??= error;
    this.#pool?.fail(error);
    void this.#settings.source.close();
    void this.#settings.sink.abort();
  }

  async run(): Promise<Outcome> {
    try {
      await this.#parse();
      this.#pool?.end();
    } catch (thrown) {
      const error = this.#failure ?? toRamferryError(thrown, 'ERR_LINK_CLOSED');
      if (this.#pool === undefined) throw error;
      this.#pool.end(error);
    }
    try {
      await this.#draining;
      this.#settings.onDelivered?.();
    } finally {
      await this.#pool?.close();
    }
    // A stream of ours that was not verified has ended in an error.
    return { bytes: this.#totals.decodedBytes, verified: this.#ours };
  }

  /** Reads to the end of the stream; throws what is wrong with it. */
  async #parse(): Promise<void> {
    const { source, head } = this.#settings;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    buffer.set(head);
    let filled = head.length;
    let atEnd = false;
    // Between a guest's words the link owes us nothing; keep-alive tells a dead peer.
    source.patience?.(0);
    for (;;) {
      this.#collector.beginScan();
      const taken = this.#walk.scan(buffer.subarray(0, filled), atEnd, this.#collector);
      this.#settings.statistics.linkBytes += taken;
      await this.#carryOut(buffer);
      buffer.copyWithin(0, taken, filled);
      filled -= taken;
      if (this.#walk.state === 'done') {
        // An END that the walk has found in the totals of a stream that broke off is none.
        if (this.#held.length > 0) await this.#rest(buffer, filled);
        else this.#ended = true;
        break;
      }
      if (taken > 0 && (this.#collector.full || atEnd)) continue;
      if (atEnd) break;
      this.#refuseEndless();
      const room = Math.min(BUFFER_BYTES - filled, this.#walk.certainBytes - filled);
      const got = await source.read(buffer.subarray(filled, filled + Math.max(1, room)));
      if (got === 0) atEnd = true;
      filled += got;
    }
    await this.#finish();
  }

  /** Everything up to the end of the input, as it is. @param filled bytes of it in the buffer already */
  async #rest(buffer: Buffer, filled: number): Promise<void> {
    for (let got = filled, first = true; got > 0 || first; first = false) {
      this.#settings.statistics.linkBytes += got;
      await this.#verbatim(buffer.subarray(0, got));
      got = await this.#settings.source.read(buffer);
    }
  }

  /** What follows an unknown record may be the stream's or somebody else's: nobody can tell any more. */
  #refuseEndless(): void {
    const { lostBecause } = this.#walk;
    if (this.#settings.shared !== true || lostBecause === undefined) return;
    throw new RamferryError('ERR_STREAM_FORMAT', `the end of the stream cannot be told (${lostBecause})`, {
      offset: this.#settings.statistics.linkBytes,
      hint: 'the sender writes a stream that this version does not know, or bytes were changed on the way',
    });
  }

  async #carryOut(buffer: Buffer): Promise<void> {
    for (const finding of this.#collector.findings) {
      switch (finding.kind) {
        case 'verbatim':
          await this.#verbatim(buffer.subarray(finding.start, finding.end));
          break;
        case 'chunk':
          await locating(finding.record, () => this.#open(finding.record, finding.envelope));
          break;
        case 'complete':
          await locating(this.#arriving!.record, () => this.#push());
          break;
        case 'totals':
          await this.#totalsRecord(finding.record, finding.body);
          break;
        case 'end':
          this.#checkTotalled(finding.record);
      }
    }
  }

  // --- our chunk records ---

  async #open(record: LibxcRecord, envelopeBytes: Buffer): Promise<void> {
    await this.#release();
    this.#refuseAfterCut();
    this.#ours = true;
    const envelope = readEnvelope(envelopeBytes);
    if (this.#envelope === undefined) this.#openPool(envelope);
    else if (
      envelope.maxChunk !== this.#envelope.maxChunk ||
      envelope.storeBytes !== this.#envelope.storeBytes
    ) {
      throw new RamferryError(
        'ERR_STREAM_FORMAT',
        'a compressed record announces other limits than the first',
      );
    }
    const pool = this.#pool!;
    const slot = await pool.acquire();
    const { input } = pool.slots[slot]!;
    if (record.length > input.length) {
      throw new RamferryError('ERR_STREAM_LIMIT', `a compressed record claims ${record.length} bytes`);
    }
    envelopeBytes.copy(input);
    this.#collector.target = input.subarray(0, record.length);
    this.#arriving = { record, slot };
    // A record of ours that has begun comes at once.
    this.#settings.source.patience?.(this.#settings.ioTimeout);
  }

  #push(): void {
    const { record, slot } = this.#arriving!;
    const pool = this.#pool!;
    const body = this.#collector.target!;
    this.#arriving = undefined;
    this.#settings.source.patience?.(0);
    const header = this.#header(body, ENVELOPE_BYTES);
    const length = header.bodyLength + CHUNK_OVERHEAD;
    checkPadding(body, length);
    if (header.sequence !== this.#sequence) {
      throw new RamferryError(
        'ERR_STREAM_ORDER',
        `chunk ${header.sequence} stands where chunk ${this.#sequence} belongs`,
        { sequence: header.sequence },
      );
    }
    this.#sequence++;
    this.#totalled = false;
    const { ints, doubles } = pool.slots[slot]!;
    ints[JOB.holds] = HOLDS.chunk;
    ints[JOB.task] = TASK.decode;
    ints[JOB.inputOffset] = ENVELOPE_BYTES;
    ints[JOB.inputLength] = length;
    doubles[JOB_WIDE.sequence] = header.sequence;
    doubles[JOB_WIDE.writeAt] = -1;
    doubles[JOB_WIDE.streamOffset] = record.offset;
    pool.push(slot);
  }

  #header(bytes: Buffer, at: number): ChunkHeader {
    const { maxChunk, storeBytes } = this.#envelope!;
    return readChunkHeader(bytes, at, maxChunk, storeBytes > 0);
  }

  #openPool(envelope: Envelope): void {
    const { threads, memoryLimit, codecBytes, zstdBinding, hostThreads } = this.#settings;
    this.#envelope = envelope;
    const needs = {
      limit: memoryLimit,
      threads,
      chunkSize: envelope.maxChunk,
      codecBytes: codecBytes(envelope.maxChunk),
      extraSlots: 1,
      storeBytes: envelope.storeBytes,
    };
    const geometry = receiverGeometry(needs, ENVELOPE_BYTES + recordCapacity(envelope.maxChunk) + 8);
    const pool = new OrderedPool({
      entry: DECOMPRESS_ENTRY,
      threads,
      geometry,
      startUp: {
        maxChunk: envelope.maxChunk,
        fd: -1,
        alignment: 1,
        zstdBinding,
        hostThreads,
        store: allocateStore(envelope.storeBytes, geometry.slots),
      },
    });
    this.#pool = pool;
    if (this.#failure !== undefined) pool.fail(this.#failure);
    this.#draining = this.#drain(pool);
    this.#draining.catch((thrown: unknown) => {
      pool.fail(toRamferryError(thrown));
      void this.#settings.source.close();
    });
  }

  // --- everything else ---

  /** Bytes that travel as they are; the last of them are held back while they could be the totals of a broken stream. */
  async #verbatim(bytes: Buffer): Promise<void> {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    // Behind a shared stream the input does not end, so none can have broken off.
    const from = this.#settings.shared === true ? all.length : cutMayBeginAt(all);
    this.#totalled = false;
    this.#held = Buffer.from(all.subarray(from));
    this.#last = Buffer.concat([this.#last, bytes.subarray(-TOTALS_RECORD_BYTES)]).subarray(
      -TOTALS_RECORD_BYTES,
    );
    await this.#deliver(all.subarray(0, from));
  }

  async #release(): Promise<void> {
    const held = this.#held;
    this.#held = this.#last = Buffer.alloc(0);
    await this.#deliver(held);
  }

  /** In its turn among the chunks; before the first chunk at once. */
  async #deliver(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#pool === undefined) {
      await this.#settings.sink.write(bytes);
      this.#totals.verbatim(bytes);
      this.#settings.statistics.guestBytes += bytes.length;
      return;
    }
    for (let at = 0; at < bytes.length;) {
      const index = await this.#pool.acquire();
      const { ints, output } = this.#pool.slots[index]!;
      const n = bytes.copy(output, 0, at);
      at += n;
      ints[JOB.holds] = HOLDS.verbatim;
      ints[JOB.outputLength] = n;
      this.#pool.pushDone(index);
    }
  }

  async #totalsRecord(record: LibxcRecord, body: Buffer): Promise<void> {
    await this.#release();
    const cut = isCut(body);
    this.#totalled = true;
    this.#ours = true;
    if (cut) this.#cutSeen = true;
    if (this.#pool === undefined) {
      this.#verify(body, record);
      return;
    }
    const index = await this.#pool.acquire();
    const { ints, doubles, output } = this.#pool.slots[index]!;
    ints[JOB.holds] = HOLDS.totals;
    ints[JOB.outputLength] = body.copy(output);
    doubles[JOB_WIDE.streamOffset] = record.offset;
    this.#pool.pushDone(index);
  }

  #verify(body: Buffer, place: { number?: number; offset: number }): void {
    try {
      this.#totals.verify(body, isCut(body));
    } catch (thrown) {
      throw located(thrown, { offset: place.offset });
    }
  }

  /** At an END or CHECKPOINT. */
  #checkTotalled(record: LibxcRecord): void {
    // What the walk finds in the totals of a stream that broke off is no record.
    if (this.#held.length > 0) return;
    this.#refuseAfterCut();
    if ((this.#ours && !this.#totalled) || isDamagedTotals(this.#last)) {
      throw new RamferryError(
        'ERR_STREAM_TOTALS',
        'the stream ends without the totals that must stand before its end',
        {
          record: record.number,
          offset: record.offset,
          hint: 'records were lost or changed on the way: the migration must be repeated',
        },
      );
    }
  }

  #refuseAfterCut(): void {
    if (!this.#cutSeen) return;
    throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the totals of a stream that broke off', {
      offset: this.#settings.statistics.linkBytes,
    });
  }

  /** The input is over, or the bare stream is. */
  async #finish(): Promise<void> {
    const held = this.#held;
    if (isCutRecord(held)) {
      this.#held = this.#last = Buffer.alloc(0);
      const body = held.subarray(LIBXC_HEADER_BYTES);
      const offset = this.#settings.statistics.linkBytes - TOTALS_RECORD_BYTES;
      await this.#totalsRecord(
        { type: XENGUEST_RECORD.totals, length: body.length, number: -1, offset, bigEndian: false },
        body,
      );
      return;
    }
    const last = this.#last;
    await this.#release();
    if (this.#ours) {
      if (this.#cutSeen && this.#totalled) return;
      this.#refuseAfterCut();
      if (this.#ended) return;
    } else if (!isDamagedTotals(last) && (this.#walk.complete || this.#settings.passThrough)) {
      return;
    }
    const lost = this.#walk.lostBecause;
    throw new RamferryError(
      'ERR_STREAM_TRUNCATED',
      lost === undefined
        ? 'the stream ends early'
        : `the stream cannot be followed (${lost}) and has no totals at its end`,
      {
        offset: this.#settings.statistics.linkBytes,
        hint: 'the sender or the link stopped before the end, or bytes were changed: the transfer must be repeated',
      },
    );
  }

  async #drain(pool: OrderedPool): Promise<void> {
    const { sink, statistics } = this.#settings;
    for (;;) {
      const index = await pool.next();
      if (index === undefined) break;
      const { ints, doubles, input, output } = pool.slots[index]!;
      const bytes = output.subarray(0, ints[JOB.outputLength]);
      if (ints[JOB.holds] === HOLDS.totals) {
        this.#verify(bytes, { offset: doubles[JOB_WIDE.streamOffset]! });
      } else {
        if (ints[JOB.holds] === HOLDS.chunk) this.#count(input, ints[JOB.inputLength]!);
        else this.#totals.verbatim(bytes);
        await sink.write(bytes);
        statistics.guestBytes += bytes.length;
      }
      pool.release(index);
    }
    statistics.busy = pool.busy;
  }

  #count(input: Buffer, recordLength: number): void {
    const record = input.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + recordLength);
    const header: ChunkHeader = this.#header(record, 0);
    if (header.offset !== this.#totals.decodedBytes) {
      throw new RamferryError(
        'ERR_STREAM_ORDER',
        `chunk ${header.sequence} claims a place that is not its own`,
        {
          sequence: header.sequence,
        },
      );
    }
    this.#totals.chunk(header, input.subarray(0, ENVELOPE_BYTES), record);
    this.#settings.statistics.addChunk({
      codec: codecName(header.codec)!,
      decoded: header.decodedLength,
      encoded: recordLength,
      pages: header,
      stored: wasStored(codecName(header.codec)!, header),
    });
  }
}

/** Errors of the work say in which record they happened. */
async function locating(record: LibxcRecord, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    throw located(thrown, { record: record.number, offset: record.offset });
  }
}

function located(thrown: unknown, place: { record?: number; offset: number }): RamferryError {
  const error = toRamferryError(thrown, 'ERR_INTERNAL');
  if (error.place.offset !== undefined) return error;
  return new RamferryError(error.code, error.message, {
    ...error.place,
    ...place,
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
