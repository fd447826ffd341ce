// The walk through what Xen toolstacks put around libxc streams: `xl save` files, libxl streams, xenopsd images.
// Finds each libxc stream and follows its records (libxc-records.ts); sender and receiver share this walk and differ
// in their handlers. Takes the input in any split, copies nothing, holds one header's state; never fails: what it does
// not know is reported as bytes between records to the end of the input.

import { incomplete, type ScanEnd, SEEN, type StreamEnd, unseen } from './grammar.js';
import {
  LIBXC_MAGIC,
  LIBXL_RECORD,
  paddingAfter,
  readU32,
  RECORD_HEADER_BYTES,
  startsWith,
} from './libxc-format.js';
import { LibxcRecords, type RecordHandler } from './libxc-records.js';

/** The first bytes by which each kind of Xen stream is known. */
export const XEN_MAGICS = {
  libxc: LIBXC_MAGIC,
  libxl: Buffer.from('LibxlFmt', 'latin1') as Uint8Array,
  xl: Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1') as Uint8Array,
  xenopsd: Buffer.from('XenSavedDomv2-\n', 'latin1') as Uint8Array,
} as const;
export type XenKind = keyof typeof XEN_MAGICS;

export interface XenHandler extends RecordHandler {
  /** n bytes that are no libxc record: headers, records of the wrapping, everything after its end, unknown bytes. */
  between(n: number): void;
  /** The wrapping has come to a place where its writer may wait for the reader's answer. */
  flush(): void;
}

export interface XenWalkOptions {
  /**
   * What a CHECKPOINT record means to a bare libxc stream (in a wrapping it is always followed).
   * `follow` (default): records go on, until END. Right for whoever has everything that the writer wrote: the
   * specification hands the stream back to a higher level only "if the stream is embedded" in one, and libxl's
   * records up to CHECKPOINT_END, should they be there, are framed like libxc's.
   * `stop`: the stream is done after CHECKPOINT. Right for whoever reads a descriptor that libxl reads itself next.
   */
  readonly atCheckpoint?: 'follow' | 'stop';
}

/** What stands at the current place. */
type Place = 'libxc' | 'libxl' | 'libxl record' | 'xl' | 'xenopsd' | 'xenopsd record' | 'rest';

/** Bytes of the headers that are read whole. */
const HEADER_BYTES = {
  libxl: 16,
  'libxl record': RECORD_HEADER_BYTES,
  // magic, u32 byte order, u32 mandatory flags, u32 optional flags, u32 length of the optional data (xl.h)
  xl: 32 + 16,
  xenopsd: 15,
  // u64 type, u64 length
  'xenopsd record': 16,
} as const;

const LIBXL_VERSION = 2;
const LIBXL_OPTION_BIG_ENDIAN = 1;
/** xl.h, SAVEFILE_BYTEORDER_VALUE. */
const XL_BYTE_ORDER = 0x01020304;

/** Types of xenopsd's headers (xen-api, suspend_image.ml): those with a stream behind them, and the last. */
const XENOPSD_LIBXC = 0x00f0;
const XENOPSD_LIBXL = 0x00f1;
const XENOPSD_END = 0xffff;
/** Xenops, Qemu (two), Varstored, Swtpm (two): a header and as many bytes as it says. */
const XENOPSD_COUNTED: readonly number[] = [0x000f, 0x0f00, 0x0f01, 0x0f11, 0x0f12, 0x0f13];

export class XenWalk {
  readonly #kind: XenKind;
  readonly #stopAtCheckpoint: boolean;
  #place: Place;
  #state: ScanEnd = 'open';
  #lostBecause: string | undefined;
  /** The input has ended within a header. */
  #brokeOff = false;
  #offset = 0;
  /** The current libxc stream: made at its first byte, kept over checkpoints. */
  #records: LibxcRecords | undefined;
  #inLibxl = false;
  #libxcBigEndian = false;
  /** Byte order of the current libxl stream. */
  #bigEndian = false;
  /** Bytes of the wrapping that lie before #place, and whether to flush after them. */
  #skip = 0;
  #flushAfterSkip = false;

  constructor(kind: XenKind, options: XenWalkOptions = {}) {
    this.#kind = kind;
    this.#stopAtCheckpoint = options.atCheckpoint === 'stop';
    this.#place = kind;
    if (kind === 'libxc') this.#records = new LibxcRecords();
  }

  /** 'done' only for a bare libxc stream: a wrapping is followed to the end of the input. */
  get state(): ScanEnd {
    return this.#state;
  }

  /** The stream has come to its own end: END of a bare stream or of the wrapping. Bytes may follow a wrapping's. */
  get complete(): boolean {
    return this.#state === 'done' || (this.#place === 'rest' && this.#lostBecause === undefined);
  }

  /** How the stream ended; asked when all of the input was scanned. */
  end(): StreamEnd {
    if (this.complete) return SEEN;
    const { lostBecause } = this;
    if (lostBecause !== undefined && !this.#brokeOff) return unseen(lostBecause);
    return incomplete(
      lostBecause ?? `it breaks off before its ${this.#kind === 'libxc' ? 'END record' : 'end'}`,
    );
  }

  /** Byte order of the libxc stream at hand, and after its END of the last one. */
  get bigEndian(): boolean {
    return this.#libxcBigEndian;
  }

  /** Why the rest is unknown. */
  get lostBecause(): string | undefined {
    return this.#lostBecause;
  }

  /**
   * How many bytes after those consumed certainly belong to the input: whoever may not read past a bare stream's END
   * reads at most these, less what it holds unconsumed. Infinity in a wrapping and in an unknown rest; 0 when done.
   */
  get certainBytes(): number {
    if (this.#state === 'done') return 0;
    const bare = this.#kind === 'libxc' && this.#place === 'libxc';
    return bare && this.#records !== undefined ? this.#records.certainBytes : Infinity;
  }

  /**
   * Consumes a prefix of `data` (the bytes not consumed so far) and reports it.
   * @param atEnd no further bytes will come.
   * @returns how many bytes were consumed: fewer than all when a header or an item of the handler is not complete,
   *   when the handler is full, or when the stream is done.
   */
  scan(data: Uint8Array, atEnd: boolean, handler: XenHandler): number {
    let at = 0;
    while (this.#state === 'open' && at < data.length && !handler.full) {
      const taken = this.#step(data, at, atEnd, handler);
      at += taken;
      this.#offset += taken;
      // A step that takes nothing is worth repeating only when it has found out that the rest is unknown.
      if (taken === 0 && this.#place !== 'rest') break;
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
    if (this.#place === 'rest') {
      handler.between(available);
      return available;
    }
    if (this.#place === 'libxc') return this.#libxc(at === 0 ? data : data.subarray(at), atEnd, handler);

    const size = HEADER_BYTES[this.#place];
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

  /** In the same scan as the last byte before it: the writer sends no more before it is answered. */
  #flushIfDue(handler: XenHandler): void {
    if (this.#skip > 0 || !this.#flushAfterSkip) return;
    this.#flushAfterSkip = false;
    handler.flush();
  }

  #lose(because: string): 0 {
    this.#place = 'rest';
    this.#lostBecause = because;
    return 0;
  }

  #libxc(data: Uint8Array, atEnd: boolean, handler: XenHandler): number {
    this.#records ??= new LibxcRecords(this.#offset);
    const taken = this.#records.scan(data, atEnd, handler);
    this.#libxcBigEndian = this.#records.bigEndian;
    switch (this.#records.state) {
      case 'open':
        break;
      case 'lost':
        this.#lose(this.#records.lostBecause ?? 'unknown libxc stream');
        this.#brokeOff = this.#records.brokeOff;
        break;
      case 'ended':
        this.#records = undefined;
        if (this.#kind === 'libxc') this.#state = 'done';
        else this.#place = this.#inLibxl ? 'libxl record' : 'xenopsd record';
        break;
      case 'checkpoint':
        if (this.#inLibxl) this.#place = 'libxl record';
        else if (this.#kind === 'libxc' && this.#stopAtCheckpoint) this.#state = 'done';
        else this.#records.resume();
        break;
    }
    return taken;
  }

  /** Reads the complete header at data[at] and decides what follows it; @returns why it is unknown. */
  #header(place: keyof typeof HEADER_BYTES, data: Uint8Array, at: number): string | undefined {
    switch (place) {
      case 'xl':
        return this.#xlHeader(data, at);
      case 'libxl':
        return this.#libxlHeader(data, at);
      case 'libxl record':
        this.#libxlRecord(readU32(data, at, this.#bigEndian), readU32(data, at + 4, this.#bigEndian));
        return undefined;
      case 'xenopsd':
        this.#place = 'xenopsd record';
        return startsWith(data, at, XEN_MAGICS.xenopsd) ? undefined : 'no xenopsd signature';
      case 'xenopsd record':
        return this.#xenopsdRecord(data, at);
    }
  }

  #xlHeader(data: Uint8Array, at: number): string | undefined {
    if (!startsWith(data, at, XEN_MAGICS.xl)) return 'no xl header';
    const little = readU32(data, at + 32, false) === XL_BYTE_ORDER;
    if (!little && readU32(data, at + 32, true) !== XL_BYTE_ORDER) return 'xl header of unknown byte order';
    this.#skip = readU32(data, at + 44, !little);
    this.#place = 'libxl';
    return undefined;
  }

  #libxlHeader(data: Uint8Array, at: number): string | undefined {
    if (!startsWith(data, at, XEN_MAGICS.libxl)) return 'no libxl stream header';
    const version = readU32(data, at + 8, true);
    if (version !== LIBXL_VERSION) return `libxl stream version ${version}`;
    this.#bigEndian = (readU32(data, at + 12, true) & LIBXL_OPTION_BIG_ENDIAN) !== 0;
    this.#inLibxl = true;
    this.#place = 'libxl record';
    return undefined;
  }

  #libxlRecord(type: number, length: number): void {
    this.#skip = length + paddingAfter(length);
    this.#place = 'libxl record';
    switch (type) {
      case LIBXL_RECORD.libxcContext:
        this.#records = undefined;
        this.#place = 'libxc';
        break;
      case LIBXL_RECORD.checkpointEnd:
        this.#flushAfterSkip = true;
        if (this.#records === undefined) break;
        this.#records.resume();
        this.#place = 'libxc';
        break;
      case LIBXL_RECORD.checkpointState:
        this.#flushAfterSkip = true;
        break;
      case LIBXL_RECORD.end:
        this.#flushAfterSkip = true;
        this.#inLibxl = false;
        this.#records = undefined;
        this.#place = this.#kind === 'xenopsd' ? 'xenopsd record' : 'rest';
        break;
    }
  }

  #xenopsdRecord(data: Uint8Array, at: number): string | undefined {
    const type = readU64(data, at);
    const length = readU64(data, at + 8);
    const name = `0x${type.toString(16)}`;
    this.#place = 'xenopsd record';
    if (type === XENOPSD_LIBXC) this.#place = 'libxc';
    else if (type === XENOPSD_LIBXL) this.#place = 'libxl';
    else if (type === XENOPSD_END) {
      this.#flushAfterSkip = true;
      this.#place = 'rest';
    } else if (!XENOPSD_COUNTED.includes(type)) {
      return `xenopsd record ${name}, whose length is not told or whose type is unknown`;
    } else if (length > Number.MAX_SAFE_INTEGER) {
      return `xenopsd record ${name} of impossible length`;
    } else this.#skip = length;
    return undefined;
  }
}

/** Little-endian; beyond 2^53 it is inexact, and still beyond. */
function readU64(data: Uint8Array, at: number): number {
  return readU32(data, at + 4, false) * 0x1_0000_0000 + readU32(data, at, false);
}
