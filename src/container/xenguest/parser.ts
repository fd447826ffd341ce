// Parses a Xen stream for the receiver: finds ramferry's records among the others and checks the rules of docs/FORMAT.md. A
// stream with such records must have totals before its END, or at the end of an input that broke off or is wrapped. The
// parser reads a bare libxc stream exactly to its END. It hands its findings to `arrivals` in stream order, decodes nothing
// and holds no chunk.

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
  behindCut,
  checkLength,
  checkSameLimits,
  checkSequence,
  checkWhole,
  endless,
  endsEarly,
  locating,
  mostInput,
  withoutTotals,
} from './checks.js';
import { FindingCollector } from './findings.js';
import { XenTail } from './tail.js';

const BUFFER_BYTES = 256 * 1024;

/** Receives the findings of the parser. */
export interface XenguestFindings {
  readonly arrivals: Arrivals;
  /** The body of totals; the call of `arrivals.totals` follows. */
  stated(record: LibxcRecord, body: Buffer): void;
  /** Every libxc record as it begins. */
  begin(record: LibxcRecord): void;
}

export interface XenguestInput extends InletInput {
  /** Hands on what cannot be followed. */
  readonly passThrough: boolean;
}

export class XenguestParser {
  readonly #input: XenguestInput;
  readonly #arrivals: Arrivals;
  readonly #stated: XenguestFindings['stated'];
  readonly #walk: XenWalk;
  readonly #collector: FindingCollector;
  /** What the first compressed record announced. */
  #envelope: Envelope | undefined;
  /** What the mark announced. */
  #announced: Envelope | undefined;
  #arriving: LibxcRecord | undefined;
  #offset = 0;
  /** Sequence number of the next chunk. */
  #sequence = 0;
  /** The stream has ramferry records. */
  #ours = false;
  /** A totals record stands directly before the current place. */
  #totalled = false;
  /** A totals record has announced that nothing follows. */
  #cutSeen = false;
  /** A bare stream has come to its END. */
  #ended = false;
  /** The last of the bytes that pass unchanged. */
  readonly #tail: XenTail;

  constructor(input: XenguestInput, kind: XenKind, findings: XenguestFindings) {
    this.#input = input;
    this.#arrivals = findings.arrivals;
    this.#stated = (record, body) => findings.stated(record, body);
    this.#walk = new XenWalk(kind, { compressed: true });
    this.#tail = new XenTail(input.shared === true);
    this.#collector = new FindingCollector((record) => findings.begin(record));
  }

  /** Bytes of the stream that were read. */
  get offset(): number {
    return this.#offset;
  }

  /** Records of ours have been seen: the stream is verified when `run` resolves. */
  get ours(): boolean {
    return this.#ours;
  }

  /** The sender's input broke off before its own end, as the totals state. */
  get cut(): boolean {
    // Totals that end the input stand behind every wrapping, too: a sender does not know what may follow one.
    return this.#cutSeen && !this.#walk.complete;
  }

  /** Byte order of the libxc stream. */
  get bigEndian(): boolean {
    return this.#walk.bigEndian;
  }

  /** Reads to the end of the stream; throws what is wrong with it. */
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
        // The walk may find an END inside the totals of a stream that broke off: that END does not count.
        if (this.#tail.holds) await this.#rest(buffer, filled);
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

  #taken(bytes: number): void {
    this.#offset += bytes;
    this.#arrivals.taken(bytes);
  }

  /** Everything up to the end of the input, as it is. @param filled bytes of it in the buffer already */
  async #rest(buffer: Buffer, filled: number): Promise<void> {
    for (let got = filled, first = true; got > 0 || first; first = false) {
      this.#taken(got);
      await this.#verbatim(buffer.subarray(0, got));
      got = await this.#input.source.read(buffer);
    }
  }

  /** Never reads a source to its end when another reader continues on it. */
  #refuseEndless(): void {
    const { lostBecause } = this.#walk;
    if (this.#input.shared === true && lostBecause !== undefined) throw endless(lostBecause, this.#offset);
  }

  async #carryOut(buffer: Buffer): Promise<void> {
    for (const finding of this.#collector.findings) {
      switch (finding.kind) {
        case 'verbatim':
          await this.#verbatim(buffer.subarray(finding.start, finding.end));
          break;
        case 'marked image':
          this.#ours = true;
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
          this.#checkTotalled(finding.record);
      }
    }
  }

  // --- our chunk records ---

  #mark(body: Buffer): void {
    const { envelope, followsEnd } = readMark(body);
    this.#announced ??= envelope;
    checkSameLimits(envelope, this.#announced);
    if (followsEnd) this.#walk.followEnd();
  }

  async #open(record: LibxcRecord, envelopeBytes: Buffer): Promise<void> {
    await this.#pass(this.#tail.release());
    this.#refuseAfterCut();
    this.#ours = true;
    const envelope = readEnvelope(envelopeBytes);
    if (this.#envelope === undefined) {
      checkSameLimits(envelope, this.#announced ?? envelope);
      this.#envelope = envelope;
      const { maxChunk, storeBytes } = envelope;
      this.#arrivals.open({
        ...{ maxChunk, storeBytes, inputBytes: mostInput(maxChunk) },
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
    this.#totalled = false;
    const { sequence, decodedLength } = header;
    const codec = codecName(header.codec)!;
    const { number, offset } = record;
    this.#arrivals.chunk({ sequence, codec, decodedLength, length, offset, record: number, header }, body);
  }

  // --- everything else ---

  /** Delivers bytes that pass unchanged. */
  async #verbatim(bytes: Buffer): Promise<void> {
    this.#totalled = false;
    await this.#pass(this.#tail.take(bytes));
  }

  async #pass(bytes: Buffer): Promise<void> {
    if (bytes.length > 0) await this.#arrivals.pass(bytes);
  }

  async #totalsRecord(record: LibxcRecord, body: Buffer): Promise<void> {
    await this.#pass(this.#tail.release());
    this.#totalled = true;
    this.#ours = true;
    if (isCut(body)) this.#cutSeen = true;
    this.#stated(record, body);
    await this.#arrivals.totals();
  }

  /** At an END or CHECKPOINT. */
  #checkTotalled(record: LibxcRecord): void {
    // Bytes inside the totals of a stream that broke off can look like a record to the walk; they are none.
    if (this.#tail.holds) return;
    this.#refuseAfterCut();
    if ((this.#ours && !this.#totalled) || this.#tail.damaged) throw withoutTotals(record);
    checkWhole(record);
  }

  #refuseAfterCut(): void {
    if (this.#cutSeen) throw behindCut(this.#offset);
  }

  /** The input is over, or the bare stream is. */
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
    if (this.#ours) {
      if (this.#cutSeen && this.#totalled) return;
      this.#refuseAfterCut();
      if (this.#ended) return;
    } else if (!damaged && (this.#walk.complete || this.#input.passThrough)) {
      return;
    }
    throw endsEarly(this.#walk.lostBecause, this.#offset);
  }
}
