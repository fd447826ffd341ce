// The walk over the records of one libxc stream: the start, length and end of each.
// Takes the stream in any split, copies nothing, remembers one record at a time and reads no page.
// Never fails: at the first unknown header it stops with state 'lost' and leaves the rest to its caller.

import {
  DOMAIN_HEADER_BYTES,
  IMAGE_HEADER_BYTES,
  LIBXC_RECORD,
  MAX_RECORD_BODY,
  paddingAfter,
  readDomainType,
  readImageHeader,
  readU32,
  RECORD_HEADER_BYTES,
  refuseDomainHeader,
  XENGUEST_RECORD,
} from './libxc-format.js';
import { DomainRecords } from './libxc-domain.js';

/** Header and position of a record. */
export interface LibxcRecord {
  /** Bit 31 set: a reader that does not know the type may skip it; clear: it must fail. */
  readonly type: number;
  /** Bytes of the body, without its padding; at most {@link MAX_RECORD_BODY}. */
  readonly length: number;
  /** Position among the records of this libxc stream, from 0. */
  readonly number: number;
  /** Offset of the record's header in the whole input, wrapping included. */
  readonly offset: number;
  /** Byte order of this libxc stream. */
  readonly bigEndian: boolean;
  /** For END and CHECKPOINT: names of the missing records that every saver writes before it. */
  readonly missing?: readonly string[];
}

/**
 * Receives the reports of the walk in stream order; the calls cover every consumed byte exactly once.
 * Each item (a header, a piece of a body, padding) makes one of these calls; the last item of a record also calls `end`.
 */
export interface RecordHandler {
  /** True: scan returns after the current item. */
  readonly full: boolean;
  /** n bytes of the stream's headers. */
  between(n: number): void;
  /**
   * The last `between` covered an image header ('image') or a domain header ('domain').
   * @param compressed ramferry's bit of the image header is set
   */
  header?(what: 'image' | 'domain', compressed: boolean): void;
  /** A record begins. Covers the 8 bytes of its header. */
  begin(record: LibxcRecord): void;
  /**
   * The next bytes of the body: data[start..end), never empty; `data` is the argument of scan.
   * @param atEnd no further bytes will come: everything must be taken, unless the handler is full
   * @returns how many were taken; fewer than all when an item is incomplete or the handler is full
   */
  body(record: LibxcRecord, data: Uint8Array, start: number, end: number, atEnd: boolean): number;
  /** n bytes of padding (zero in a stream that libxc wrote; readers do not check). */
  padding(n: number): void;
  /** The record is complete, padding included. Called in the scan of its last byte. */
  end(record: LibxcRecord): void;
}

export type RecordsState =
  /** more records are expected */
  | 'open'
  /** after a CHECKPOINT record: the wrapping's records come next; resume() goes on */
  | 'checkpoint'
  /** after the END record */
  | 'ended'
  /** after an unknown header: see lostBecause; the caller handles the bytes not consumed */
  | 'lost';

type Stage = 'image' | 'domain' | 'record' | 'body' | 'padding';

export class LibxcRecords {
  #state: RecordsState = 'open';
  #stage: Stage = 'image';
  #lostBecause: string | undefined;
  /** The input has ended within a header. */
  brokeOff = false;
  #bigEndian = false;
  #version = 0;
  #compressed = false;
  /** Undefined in a run of COMPRESSED_BYTES. */
  #domain: DomainRecords | undefined;
  /** Only COMPRESSED_BYTES, and the COMPRESSED_TOTALS that ends them, are valid here. */
  #bytesOnly = false;
  #count = 0;
  #offset: number;
  #record: LibxcRecord | undefined;
  /** Bytes left of the current body, and then of its padding. */
  #left = 0;

  /** @param offset of the stream's image header in the whole input */
  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** A walk over COMPRESSED_BYTES up to their totals, without headers before them. */
  static ofBytes(offset: number, bigEndian: boolean): LibxcRecords {
    const records = new LibxcRecords(offset);
    records.#stage = 'record';
    records.#bigEndian = bigEndian;
    records.#bytesOnly = true;
    return records;
  }

  get state(): RecordsState {
    return this.#state;
  }

  /** Byte order of the stream; false before its image header was read. */
  get bigEndian(): boolean {
    return this.#bigEndian;
  }

  /** The next item is one of the stream's headers, not a record. */
  get inHeaders(): boolean {
    return this.#stage === 'image' || this.#stage === 'domain';
  }

  /** The image header has ramferry's bit. */
  get compressed(): boolean {
    return this.#compressed;
  }

  /** Why the walk stopped with state 'lost'. */
  get lostBecause(): string | undefined {
    return this.#lostBecause;
  }

  /**
   * How many bytes behind the consumed ones certainly belong to this stream. A reader of a shared descriptor reads at most
   * these, less the bytes that it holds unconsumed. 0 when the stream is not open.
   */
  get certainBytes(): number {
    if (this.#state !== 'open') return 0;
    switch (this.#stage) {
      case 'image':
        return IMAGE_HEADER_BYTES + DOMAIN_HEADER_BYTES + RECORD_HEADER_BYTES;
      case 'domain':
        return DOMAIN_HEADER_BYTES + RECORD_HEADER_BYTES;
      case 'record':
        return RECORD_HEADER_BYTES;
      case 'body':
      case 'padding': {
        const { length } = this.#record!;
        const rest = this.#left + (this.#stage === 'body' ? paddingAfter(length) : 0);
        return rest + RECORD_HEADER_BYTES;
      }
    }
  }

  /** Goes on after a CHECKPOINT: records follow without a new header. */
  resume(): void {
    if (this.#state === 'checkpoint') this.#state = 'open';
  }

  /**
   * Consumes a prefix of `data` (the bytes not consumed so far) and reports it.
   * @param atEnd no further bytes will come
   * @returns how many bytes were consumed: fewer than all when a header or an item of the handler is incomplete, when the
   *   handler is full, or when the state is no longer 'open'
   */
  scan(data: Uint8Array, atEnd: boolean, handler: RecordHandler): number {
    let at = 0;
    while (this.#state === 'open' && at < data.length && !handler.full) {
      const taken = this.#takesHeader()
        ? this.#header(data, at, atEnd, handler)
        : this.#content(data, at, atEnd, handler);
      if (taken === 0) break;
      at += taken;
      this.#offset += taken;
    }
    return at;
  }

  #takesHeader(): boolean {
    return this.#stage !== 'body' && this.#stage !== 'padding';
  }

  #lose(because: string): 0 {
    this.#state = 'lost';
    this.#lostBecause = because;
    return 0;
  }

  /** Reads one header at data[at]. @returns its length, or 0 where it is incomplete or unknown */
  #header(data: Uint8Array, at: number, atEnd: boolean, handler: RecordHandler): number {
    if (data.length - at < this.#headerBytes()) {
      this.brokeOff = atEnd;
      return atEnd ? this.#lose(`the stream ends inside a libxc ${this.#stage} header`) : 0;
    }
    if (this.#stage === 'image') return this.#imageHeader(data, at, handler);
    if (this.#stage === 'domain') return this.#domainHeader(data, at, handler);
    return this.#recordHeader(data, at, handler);
  }

  #headerBytes(): number {
    if (this.#stage === 'image') return IMAGE_HEADER_BYTES;
    return this.#stage === 'domain' ? DOMAIN_HEADER_BYTES : RECORD_HEADER_BYTES;
  }

  #imageHeader(data: Uint8Array, at: number, handler: RecordHandler): number {
    const header = readImageHeader(data, at);
    if ('unknown' in header) return this.#lose(header.unknown);
    this.#version = header.version;
    this.#bigEndian = header.bigEndian;
    this.#compressed = header.compressed;
    this.#stage = 'domain';
    handler.between(IMAGE_HEADER_BYTES);
    handler.header?.('image', this.#compressed);
    return IMAGE_HEADER_BYTES;
  }

  #domainHeader(data: Uint8Array, at: number, handler: RecordHandler): number {
    const refusal = refuseDomainHeader(data, at, this.#bigEndian);
    if (refusal !== undefined) return this.#lose(refusal);
    this.#domain = new DomainRecords(this.#version, readDomainType(data, at, this.#bigEndian));
    this.#stage = 'record';
    handler.between(DOMAIN_HEADER_BYTES);
    handler.header?.('domain', this.#compressed);
    return DOMAIN_HEADER_BYTES;
  }

  #recordHeader(data: Uint8Array, at: number, handler: RecordHandler): number {
    const length = readU32(data, at + 4, this.#bigEndian);
    if (length > MAX_RECORD_BODY) {
      return this.#lose(`libxc record ${this.#count} of ${length} bytes, limit ${MAX_RECORD_BODY}`);
    }
    const type = readU32(data, at, this.#bigEndian);
    if (this.#bytesOnly && type !== XENGUEST_RECORD.bytes && type !== XENGUEST_RECORD.totals) {
      return this.#lose('bytes of unknown structure are not followed by their totals');
    }
    if (length > 0 && endsStretch(type)) {
      return this.#lose(`libxc record ${this.#count} ends the stream and has a body of ${length} bytes`);
    }
    const record: LibxcRecord = {
      type,
      length,
      number: this.#count,
      offset: this.#offset,
      bigEndian: this.#bigEndian,
      ...(endsStretch(type) ? this.#missing() : {}),
    };
    this.#domain?.saw(type);
    this.#count += 1;
    this.#record = record;
    this.#stage = 'body';
    this.#left = length;
    handler.begin(record);
    if (length === 0) this.#finish(record, handler);
    return RECORD_HEADER_BYTES;
  }

  /** Passes on bytes of the body or its padding at data[at]. @returns how many were taken */
  #content(data: Uint8Array, at: number, atEnd: boolean, handler: RecordHandler): number {
    const record = this.#record!;
    const offered = Math.min(this.#left, data.length - at);
    let taken = offered;
    if (this.#stage === 'body') taken = handler.body(record, data, at, at + offered, atEnd);
    else handler.padding(offered);
    this.#left -= taken;
    if (this.#left > 0) return taken;
    if (this.#stage === 'body') {
      this.#stage = 'padding';
      this.#left = paddingAfter(record.length);
    }
    if (this.#left === 0) this.#finish(record, handler);
    return taken;
  }

  #missing(): { missing?: readonly string[] } {
    const missing = this.#domain?.missing ?? [];
    return missing.length === 0 ? {} : { missing };
  }

  #finish(record: LibxcRecord, handler: RecordHandler): void {
    this.#stage = 'record';
    const totalsOfBytes = this.#bytesOnly && record.type === XENGUEST_RECORD.totals;
    if (record.type === LIBXC_RECORD.end || totalsOfBytes) this.#state = 'ended';
    else if (record.type === LIBXC_RECORD.checkpoint) this.#state = 'checkpoint';
    handler.end(record);
  }
}

/** END and CHECKPOINT: another reader may take over behind them; both are empty (libxc-migration-stream.pandoc). */
function endsStretch(type: number): boolean {
  return type === LIBXC_RECORD.end || type === LIBXC_RECORD.checkpoint;
}
