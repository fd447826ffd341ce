// Parses a Xen stream for the receiver: finds ramferry's records among the others and checks the rules of docs/FORMAT.md. A
// stream with such records must have totals before its END, or at the end of a truncated or wrapped input. The parser reads
// a bare libxc stream exactly to its END. It reports its findings to `arrivals` in stream order and decodes nothing.

import { Buffer } from 'node:buffer';

import { CHUNK_OVERHEAD, readChunkHeader } from '../../chunk/record.js';
import {
  checkPadding,
  ENVELOPE_BYTES,
  type Envelope,
  isCut,
  readEnvelope,
  TOTALS_RECORD_BYTES,
  XENGUEST_RECORD,
} from '../xenguest.js';
import { readMark, unmarkImageHeader } from '../xenguest-mark.js';
import { codecName } from '../../codec/codec.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import { type XenKind, XenWalk } from '../../grammar/xen/wrapping.js';
import type { Arrivals, InletInput } from '../inlet.js';
import {
  bytesAfterCut,
  checkLength,
  checkSameLimits,
  checkSequence,
  checkWhole,
  endUnknown,
  endsEarly,
  locating,
  maxBodyBytes,
  missingTotals,
} from './checks.js';
import { FindingCollector } from './findings.js';
import { XenTail } from './tail.js';
import { KIB } from '../../units.js';

const BUFFER_BYTES = 256 * KIB;

/** Receives the findings of the parser. */
export interface XenguestFindings {
  readonly arrivals: Arrivals;
  /** Called with the body of a totals record, before `arrivals.totals`. */
  onTotals(record: LibxcRecord, body: Buffer): void;
  /** Called at the start of every libxc record. */
  onRecord(record: LibxcRecord): void;
}

export interface XenguestInput extends InletInput {
  /** Accepts a stream that the walk cannot follow. */
  readonly passThrough: boolean;
}

export class XenguestParser {
  readonly #input: XenguestInput;
  readonly #arrivals: Arrivals;
  readonly #onTotals: XenguestFindings['onTotals'];
  readonly #walk: XenWalk;
  readonly #collector: FindingCollector;
  /** The limits in the first chunk record. */
  #envelope: Envelope | undefined;
  /** The limits in the mark. */
  #markEnvelope: Envelope | undefined;
  /** The chunk record whose body is being read. */
  #arriving: LibxcRecord | undefined;
  #offset = 0;
  /** Sequence number of the next chunk. */
  #sequence = 0;
  /** The stream has ramferry records. */
  #compressed = false;
  /** The current offset is directly after a totals record. */
  #afterTotals = false;
  /** A totals record has stated that the input was truncated there. */
  #cutSeen = false;
  /** The walk has reached the END of a bare stream. */
  #ended = false;
  /** The last of the bytes that pass unchanged: they may be the totals of a truncated input. */
  readonly #tail: XenTail;

  constructor(input: XenguestInput, kind: XenKind, findings: XenguestFindings) {
    this.#input = input;
    this.#arrivals = findings.arrivals;
    this.#onTotals = (record, body) => findings.onTotals(record, body);
    this.#walk = new XenWalk(kind, { compressed: true });
    this.#tail = new XenTail(input.shared === true);
    this.#collector = new FindingCollector((record) => findings.onRecord(record));
  }

  /** Bytes of the stream that have been read. */
  get offset(): number {
    return this.#offset;
  }

  /** The stream has ramferry records. It is verified when `run` resolves. */
  get compressed(): boolean {
    return this.#compressed;
  }

  /** The sender's input was truncated, as the totals state. */
  get cut(): boolean {
    // A wrapped stream also ends with such totals, because its sender cannot know what follows the wrapping.
    return this.#cutSeen && !this.#walk.complete;
  }

  /** Byte order of the libxc stream. */
  get bigEndian(): boolean {
    return this.#walk.bigEndian;
  }

  /** Reads to the end of the stream. @throws RamferryError the first error of the stream */
  async run(): Promise<void> {
    const { source, head } = this.#input;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    buffer.set(head);
    let filled = head.length;
    let atEnd = false;
    // Between records the source may idle: keep-alive finds a dead peer.
    source.patience?.(0);
    for (;;) {
      this.#collector.beginScan();
      const taken = this.#walk.scan(buffer.subarray(0, filled), atEnd, this.#collector);
      this.#taken(taken);
      await this.#carryOut(buffer);
      buffer.copyWithin(0, taken, filled);
      filled -= taken;
      if (this.#walk.state === 'done') {
        // The walk may take bytes inside the totals of a truncated stream for an END. That END does not count.
        if (this.#tail.holds) await this.#rest(buffer, filled);
        else this.#ended = true;
        break;
      }
      if (taken > 0 && (this.#collector.full || atEnd)) continue;
      if (atEnd) break;
      this.#refuseUnknownEnd();
      const room = Math.min(BUFFER_BYTES - filled, this.#walk.certainBytes - filled);
      const got = await source.read(buffer.subarray(filled, filled + Math.max(1, room)));
      if (got === 0) atEnd = true;
      filled += got;
    }
    await this.#finish();
  }

  #taken(bytes: number): void {
    this.#offset += bytes;
    this.#arrivals.taken(bytes);
  }

  /** Delivers everything up to the end of the input unchanged. @param filled bytes that the buffer already holds */
  async #rest(buffer: Buffer, filled: number): Promise<void> {
    for (let got = filled, first = true; got > 0 || first; first = false) {
      this.#taken(got);
      await this.#verbatim(buffer.subarray(0, got));
      got = await this.#input.source.read(buffer);
    }
  }

  /** @throws ERR_STREAM_FORMAT on a shared source when the walk is lost: the parser could read the next reader's bytes */
  #refuseUnknownEnd(): void {
    const { lostBecause } = this.#walk;
    if (this.#input.shared === true && lostBecause !== undefined) throw endUnknown(lostBecause, this.#offset);
  }

  async #carryOut(buffer: Buffer): Promise<void> {
    for (const finding of this.#collector.findings) {
      switch (finding.kind) {
        case 'verbatim':
          await this.#verbatim(buffer.subarray(finding.start, finding.end));
          break;
        case 'marked image':
          this.#compressed = true;
          unmarkImageHeader(buffer, finding.start);
          break;
        case 'mark':
          await locating(finding.record, () => this.#mark(finding.body));
          break;
        case 'chunk':
          await locating(finding.record, () => this.#open(finding.record, finding.envelope));
          break;
        case 'complete':
          await locating(this.#arriving!, () => this.#push());
          break;
        case 'totals':
          await this.#totalsRecord(finding.record, finding.body);
          break;
        case 'end':
          this.#checkEnd(finding.record);
      }
    }
  }

  // --- ramferry records ---

  #mark(body: Buffer): void {
    const { envelope, followsEnd } = readMark(body);
    this.#markEnvelope ??= envelope;
    checkSameLimits(envelope, this.#markEnvelope);
    if (followsEnd) this.#walk.followEnd();
  }

  async #open(record: LibxcRecord, envelopeBytes: Buffer): Promise<void> {
    await this.#pass(this.#tail.release());
    this.#refuseAfterCut();
    this.#compressed = true;
    const envelope = readEnvelope(envelopeBytes);
    if (this.#envelope === undefined) {
      checkSameLimits(envelope, this.#markEnvelope ?? envelope);
      this.#envelope = envelope;
      const { maxChunk, storeBytes } = envelope;
      this.#arrivals.open({
        ...{ maxChunk, storeBytes, inputBytes: maxBodyBytes(maxChunk) },
        ...{ window: 1, positioned: false, optional: false },
      });
    }
    checkSameLimits(envelope, this.#envelope);
    checkLength(record, envelope);
    const body = await this.#arrivals.room(record.length);
    envelopeBytes.copy(body);
    this.#collector.target = body;
    this.#arriving = record;
    // The rest of a compressed record arrives without a pause.
    this.#input.source.patience?.(this.#input.ioTimeout);
  }

  #push(): void {
    const record = this.#arriving!;
    const body = this.#collector.target!;
    const { maxChunk, storeBytes } = this.#envelope!;
    this.#arriving = undefined;
    this.#input.source.patience?.(0);
    const header = readChunkHeader(body, ENVELOPE_BYTES, maxChunk, storeBytes > 0);
    const length = header.bodyLength + CHUNK_OVERHEAD;
    checkPadding(body, length);
    checkSequence(header.sequence, this.#sequence);
    this.#sequence++;
    this.#afterTotals = false;
    const { sequence, decodedLength } = header;
    const codec = codecName(header.codec)!;
    const { number, offset } = record;
    this.#arrivals.chunk({ sequence, codec, decodedLength, length, offset, record: number, header }, body);
  }

  // --- all other bytes ---

  /** Delivers bytes that pass unchanged. */
  async #verbatim(bytes: Buffer): Promise<void> {
    this.#afterTotals = false;
    await this.#pass(this.#tail.take(bytes));
  }

  async #pass(bytes: Buffer): Promise<void> {
    if (bytes.length > 0) await this.#arrivals.pass(bytes);
  }

  async #totalsRecord(record: LibxcRecord, body: Buffer): Promise<void> {
    await this.#pass(this.#tail.release());
    this.#afterTotals = true;
    this.#compressed = true;
    if (isCut(body)) this.#cutSeen = true;
    this.#onTotals(record, body);
    await this.#arrivals.totals();
  }

  /** Checks at an END or CHECKPOINT that totals and the mandatory records came before it. */
  #checkEnd(record: LibxcRecord): void {
    // The walk may take bytes inside the totals of a truncated stream for a record. They are not one.
    if (this.#tail.holds) return;
    this.#refuseAfterCut();
    if ((this.#compressed && !this.#afterTotals) || this.#tail.damaged) throw missingTotals(record);
    checkWhole(record);
  }

  #refuseAfterCut(): void {
    if (this.#cutSeen) throw bytesAfterCut(this.#offset);
  }

  /** Checks the end of the input, or of the bare stream. */
  async #finish(): Promise<void> {
    const body = this.#tail.takeCut();
    if (body !== undefined) {
      const offset = this.#offset - TOTALS_RECORD_BYTES;
      await this.#totalsRecord(
        { type: XENGUEST_RECORD.totals, length: body.length, number: -1, offset, bigEndian: false },
        body,
      );
      return;
    }
    const { damaged } = this.#tail;
    await this.#pass(this.#tail.release());
    if (this.#compressed) {
      if (this.#cutSeen && this.#afterTotals) return;
      this.#refuseAfterCut();
      if (this.#ended) return;
    } else if (!damaged && (this.#walk.complete || this.#input.passThrough)) {
      return;
    }
    throw endsEarly(this.#walk.lostBecause, this.#offset);
  }
}
