// The walk through Xen streams: bare libxc streams, and those inside `xl save` files, libxl streams and xenopsd images.
// Finds each libxc stream and follows its records (libxc-records.ts). Sender and receiver share this walk and differ in their
// handlers. Takes the input in any split, copies nothing and holds one header's state. Never fails: from the first unknown
// header on, the input is reported as bytes between records.

import { incomplete, type ScanEnd, SEEN, type StreamEnd, unseen } from '../grammar.js';
import { LibxcRecords } from './libxc-records.js';
import type { XenHandler, XenWalkOptions } from './handler.js';
import { beginsBytes, type HeaderPlace, Wrapping, XEN_HEADER_BYTES, type XenKind } from './headers.js';

export type { XenHandler, XenWalkOptions } from './handler.js';
export { XEN_MAGICS, type XenKind } from './headers.js';

/** What the current position holds. */
type Place = HeaderPlace | 'libxc' | 'bytes' | 'rest';

export class XenWalk {
  readonly #kind: XenKind;
  readonly #stopAtCheckpoint: boolean;
  readonly #compressed: boolean;
  #followEnd: boolean;
  #place: Place;
  #state: ScanEnd = 'open';
  #lostBecause: string | undefined;
  /** The input has ended within a header. */
  #brokeOff = false;
  /** The stream's own end has been seen. */
  #behindEnd = false;
  /** No byte of the rest has been consumed yet. */
  #restBegins = false;
  /** The headers of a libxc stream have been seen, and among them headers with ramferry's mark. */
  #sawLibxc = false;
  #sawMark = false;
  #offset = 0;
  /** The current libxc stream, from its first byte on; kept over checkpoints. */
  #records: LibxcRecords | undefined;
  readonly #wrapping: Wrapping;
  /** Byte order of the current libxc stream. */
  #bigEndian = false;
  /** Bytes of the wrapping before #place, and whether a flush follows them. */
  #skip = 0;
  #flushAfterSkip = false;

  constructor(kind: XenKind, options: XenWalkOptions = {}) {
    this.#kind = kind;
    this.#wrapping = new Wrapping(kind);
    this.#stopAtCheckpoint = options.atCheckpoint === 'stop';
    this.#followEnd = options.atEnd === 'follow';
    this.#compressed = options.compressed === true;
    this.#place = kind;
    if (kind === 'libxc') this.#records = new LibxcRecords();
  }

  /** As the option `atEnd: 'follow'`, for a caller that learns it while it reads the stream. */
  followEnd(): void {
    this.#followEnd = true;
  }

  /** 'done' only for a bare libxc stream: a wrapping is followed to the end of the input. */
  get state(): ScanEnd {
    return this.#state;
  }

  /** The END of a bare stream, or of the wrapping, has been seen. Bytes may follow a wrapping's END. */
  get complete(): boolean {
    return this.#state === 'done' || (this.#behindEnd && this.#lostBecause === undefined);
  }

  /** How the stream ended. Valid once all of the input was scanned. */
  end(): StreamEnd {
    if (this.complete) return SEEN;
    const { lostBecause } = this;
    if (lostBecause !== undefined && !this.#brokeOff) return unseen(lostBecause);
    return incomplete(
      lostBecause ?? `it breaks off before its ${this.#kind === 'libxc' ? 'END record' : 'end'}`,
    );
  }

  /** Byte order of the current libxc stream, or of the last one. */
  get bigEndian(): boolean {
    return this.#bigEndian;
  }

  /** Why the rest is opaque. */
  get lostBecause(): string | undefined {
    return this.#lostBecause;
  }

  /**
   * How many bytes behind the consumed ones certainly belong to the input. A reader of a shared descriptor reads at most these,
   * less the bytes that it holds unconsumed. Infinity in a wrapping and in an opaque rest; 0 when done.
   */
  get certainBytes(): number {
    if (this.#state === 'done') return 0;
    const exact = this.#kind === 'libxc' && (this.#place === 'libxc' || this.#place === 'bytes');
    return exact && this.#records !== undefined ? this.#records.certainBytes : Infinity;
  }

  /**
   * Consumes a prefix of `data` (the bytes not consumed so far) and reports it.
   * @param atEnd no further bytes will come
   * @returns how many bytes were consumed: fewer than all when a header or an item of the handler is incomplete, when the
   *   handler is full, or when the stream is done
   */
  scan(data: Uint8Array, atEnd: boolean, handler: XenHandler): number {
    let at = 0;
    while (this.#state === 'open' && at < data.length && !handler.full) {
      const place = this.#place;
      const taken = this.#step(data, at, atEnd, handler);
      at += taken;
      this.#offset += taken;
      // A step without bytes is repeated only where it has changed the place.
      if (taken === 0 && this.#place === place) break;
    }
    return at;
  }

  #step(data: Uint8Array, at: number, atEnd: boolean, handler: XenHandler): number {
    const available = data.length - at;
    if (this.#skip > 0) {
      const n = Math.min(this.#skip, available);
      handler.between(n);
      this.#skip -= n;
      this.#flushIfDue(handler);
      return n;
    }
    if (this.#compressed && this.#mayHoldBytes() && this.#beginsBytes(data, at, atEnd)) return 0;
    if (this.#place === 'rest') return this.#rest(data, at, atEnd, handler);
    if (this.#place === 'bytes') return this.#bytes(at === 0 ? data : data.subarray(at), atEnd, handler);
    if (this.#place === 'libxc') return this.#libxc(at === 0 ? data : data.subarray(at), atEnd, handler);

    const size = XEN_HEADER_BYTES[this.#place];
    if (available < size) {
      this.#brokeOff = atEnd;
      return atEnd ? this.#lose(`the stream ends inside its ${this.#place} header`) : 0;
    }
    const unknown = this.#header(this.#place, data, at);
    if (unknown !== undefined) return this.#lose(unknown);
    handler.between(size);
    this.#flushIfDue(handler);
    return size;
  }

  /** Flushes in the scan of the last skipped byte: the writer sends no more before the reader answers. */
  #flushIfDue(handler: XenHandler): void {
    if (this.#skip > 0 || !this.#flushAfterSkip) return;
    this.#flushAfterSkip = false;
    handler.flush();
  }

  /** COMPRESSED_BYTES may begin here: in the place of a header, or where the rest begins. */
  #mayHoldBytes(): boolean {
    // Behind the end the writer may wait for the reader: bytes are held back there only in a marked stream.
    if (this.#place === 'rest') return this.#restBegins && (!this.#behindEnd || this.#sawMark);
    if (this.#place === 'libxc') return this.#records?.inHeaders ?? true;
    return this.#place !== 'bytes';
  }

  /** True where COMPRESSED_BYTES begin at data[at], or more bytes are needed to decide. Consumes nothing. */
  #beginsBytes(data: Uint8Array, at: number, atEnd: boolean): boolean {
    const begins = beginsBytes(data, at);
    if (typeof begins === 'boolean') return begins && !atEnd;
    this.#records = LibxcRecords.ofBytes(this.#offset, begins.bigEndian);
    if (!this.#behindEnd) this.#lostBecause ??= 'the sender could not follow the stream';
    this.#place = 'bytes';
    return true;
  }

  #bytes(data: Uint8Array, atEnd: boolean, handler: XenHandler): number {
    const records = this.#records!;
    const taken = records.scan(data, atEnd, handler);
    if (records.state === 'lost') {
      this.#lose(records.lostBecause ?? 'unknown records');
      // The position has been checked: bytes that only begin like COMPRESSED_BYTES must not be checked again and again.
      this.#restBegins = false;
    } else if (records.state === 'ended') this.#afterBytes();
    return taken;
  }

  /** Nothing may follow the totals of COMPRESSED_BYTES. A bare stream ends here, since its descriptor may be shared. */
  #afterBytes(): void {
    this.#records = undefined;
    if (this.#kind === 'libxc' && this.#followEnd) this.#state = 'done';
    else this.#place = 'rest';
  }

  #rest(data: Uint8Array, at: number, atEnd: boolean, handler: XenHandler): number {
    this.#restBegins = false;
    // Without a libxc stream there are no headers to mark, so a receiver could not expect compressed bytes here.
    const marked = this.#sawLibxc || !this.#behindEnd;
    if (marked && handler.rest !== undefined) return handler.rest(data, at, data.length, atEnd, this.#offset);
    handler.between(data.length - at);
    return data.length - at;
  }

  /** The stream has ended: bytes that are not part of it may follow. */
  #enterRest(): void {
    this.#behindEnd = true;
    this.#records = undefined;
    this.#restBegins = true;
    this.#place = 'rest';
  }

  #lose(because: string): 0 {
    this.#place = 'rest';
    this.#restBegins = true;
    this.#lostBecause = because;
    return 0;
  }

  #libxc(data: Uint8Array, atEnd: boolean, handler: XenHandler): number {
    this.#records ??= new LibxcRecords(this.#offset);
    const taken = this.#records.scan(data, atEnd, handler);
    this.#bigEndian = this.#records.bigEndian;
    if (!this.#records.inHeaders) this.#sawLibxc = true;
    if (this.#records.compressed) this.#sawMark = true;
    switch (this.#records.state) {
      case 'open':
        break;
      case 'lost':
        this.#lose(this.#records.lostBecause ?? 'unknown libxc stream');
        this.#brokeOff = this.#records.brokeOff;
        break;
      case 'ended':
        this.#records = undefined;
        if (this.#kind !== 'libxc') this.#place = this.#wrapping.afterLibxc;
        else if (this.#followEnd) this.#goOnBehindEnd(taken);
        else this.#state = 'done';
        break;
      case 'checkpoint':
        if (this.#wrapping.inLibxl) this.#place = 'libxl record';
        else if (this.#kind === 'libxc' && this.#stopAtCheckpoint) this.#state = 'done';
        else this.#records.resume();
        break;
    }
    return taken;
  }

  /** Behind the END of a bare stream a receiver expects COMPRESSED_BYTES or totals, in the stream's byte order. */
  #goOnBehindEnd(taken: number): void {
    this.#enterRest();
    if (!this.#compressed) return;
    this.#records = LibxcRecords.ofBytes(this.#offset + taken, this.#bigEndian);
    this.#place = 'bytes';
  }

  /** Reads the complete header at data[at] and decides what follows it. @returns why the header is unknown */
  #header(place: HeaderPlace, data: Uint8Array, at: number): string | undefined {
    const after = this.#wrapping.read(place, data, at);
    if ('unknown' in after) return after.unknown;
    this.#skip = after.skip;
    this.#flushAfterSkip ||= after.flush === true;
    if (after.libxc === 'drop') this.#records = undefined;
    if (after.place === 'end') this.#enterRest();
    else this.#place = after.place;
    if (after.libxc === 'resume' && this.#records !== undefined) {
      this.#records.resume();
      this.#place = 'libxc';
    }
    return undefined;
  }
}
