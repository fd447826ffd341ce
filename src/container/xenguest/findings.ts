// Findings of the `xenguest` receiver in a Xen stream: ranges that pass unchanged, and ramferry's records.
// Receives the calls of the walk and keeps the findings of one scan in stream order. The bodies of ramferry's records go to
// memory that the receiver provides after it has read their envelope. Makes no decision.

import { Buffer } from 'node:buffer';

import { CHUNK_OVERHEAD } from '../../chunk/record.js';
import { ENVELOPE_BYTES, LIBXC_HEADER_BYTES, TOTALS_RECORD_BYTES, XENGUEST_RECORD } from '../xenguest.js';
import { MARK_RECORD_BYTES } from '../xenguest-mark.js';
import { RamferryError } from '../../errors.js';
import { IMAGE_HEADER_BYTES, LIBXC_RECORD } from '../../grammar/xen/libxc-format.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import type { XenHandler } from '../../grammar/xen/wrapping.js';

/** One finding of a scan. Ranges are offsets in the scanned buffer. */
export type Finding =
  | { readonly kind: 'verbatim'; start: number; end: number }
  /** The 24 bytes at `start` are an image header with the mark of a compressed stream. */
  | { readonly kind: 'marked image'; readonly start: number }
  | { readonly kind: 'mark'; readonly record: LibxcRecord; readonly body: Buffer }
  /** A chunk record begins. The envelope is the start of its body. */
  | { readonly kind: 'chunk'; readonly record: LibxcRecord; readonly envelope: Buffer }
  | { readonly kind: 'complete' }
  | { readonly kind: 'totals'; readonly record: LibxcRecord; readonly body: Buffer }
  | { readonly kind: 'end'; readonly record: LibxcRecord };

/** Collects what the walk reports. Stops the walk after each ramferry record. */
export class FindingCollector implements XenHandler {
  findings: Finding[] = [];
  full = false;
  /** Memory for the body of the current chunk record, envelope included. The parser sets it before the walk continues. */
  target: Buffer | undefined;
  /** The envelope of the current chunk record. It states how much memory the record may take. */
  #envelope = Buffer.alloc(0);
  #at = 0;
  #filled = 0;
  /** The body of the current totals or mark record. */
  #body = Buffer.alloc(0);
  /** The image header has the mark, so the record after the domain header must be a mark. */
  #markDue = false;
  readonly #onBegin: (record: LibxcRecord) => void;

  /** @param onBegin called at the start of every record */
  constructor(onBegin: (record: LibxcRecord) => void = () => undefined) {
    this.#onBegin = onBegin;
  }

  /** Discards the findings. The next scan begins at offset 0 of its data. */
  beginScan(): void {
    this.findings = [];
    this.full = false;
    this.#at = 0;
  }

  #verbatim(n: number): void {
    const last = this.findings.at(-1);
    if (last?.kind === 'verbatim' && last.end === this.#at) last.end += n;
    else this.findings.push({ kind: 'verbatim', start: this.#at, end: this.#at + n });
    this.#at += n;
  }

  between(n: number): void {
    this.#verbatim(n);
  }

  header(what: 'image' | 'domain', compressed: boolean): void {
    if (!compressed) return;
    if (what === 'domain') this.#markDue = true;
    // Placed before the header's own bytes, so that the parser clears the mark before it delivers them.
    else this.findings.splice(-1, 0, { kind: 'marked image', start: this.#at - IMAGE_HEADER_BYTES });
  }

  flush(): void {
    // Nothing is buffered: the parser takes the findings after every read.
  }

  begin(record: LibxcRecord): void {
    this.#onBegin(record);
    const { type, length } = record;
    this.#checkMarks(record);
    if (isChunk(type)) {
      this.#at += LIBXC_HEADER_BYTES;
      this.#filled = 0;
      this.target = undefined;
      if (length < ENVELOPE_BYTES + CHUNK_OVERHEAD) throw impossible(record, 'compressed');
      this.#envelope = Buffer.alloc(ENVELOPE_BYTES);
    } else if (isTotalsOrMark(type)) {
      this.#at += LIBXC_HEADER_BYTES;
      this.#filled = 0;
      const expected = type === XENGUEST_RECORD.mark ? MARK_RECORD_BYTES : TOTALS_RECORD_BYTES;
      if (length !== expected - LIBXC_HEADER_BYTES) {
        throw impossible(record, type === XENGUEST_RECORD.mark ? 'marking' : 'totals');
      }
      this.#body = Buffer.alloc(length);
    } else {
      if (type === LIBXC_RECORD.end || type === LIBXC_RECORD.checkpoint) {
        this.findings.push({ kind: 'end', record });
      }
      this.#verbatim(LIBXC_HEADER_BYTES);
    }
  }

  body(record: LibxcRecord, data: Uint8Array, start: number, end: number): number {
    if (isChunk(record.type)) return this.#chunk(record, data.subarray(start, end));
    if (isTotalsOrMark(record.type)) return this.#take(this.#body, data.subarray(start, end));
    this.#verbatim(end - start);
    return end - start;
  }

  /** Either both marks are present, the bit of the image header and the record after the domain header, or neither. */
  #checkMarks(record: LibxcRecord): void {
    const due = this.#markDue;
    this.#markDue = false;
    if ((record.type === XENGUEST_RECORD.mark) === due) return;
    throw new RamferryError('ERR_STREAM_FORMAT', 'one of the two marks of a compressed stream is missing', {
      record: record.number,
      offset: record.offset,
      hint: 'bytes were changed on the way: the migration must be repeated',
    });
  }

  #chunk(record: LibxcRecord, bytes: Uint8Array): number {
    if (this.target !== undefined) return this.#take(this.target, bytes);
    const taken = this.#take(this.#envelope, bytes);
    if (this.#filled === ENVELOPE_BYTES) {
      this.findings.push({ kind: 'chunk', record, envelope: this.#envelope });
      this.full = true;
    }
    return taken;
  }

  #take(target: Buffer, bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, target.length - this.#filled);
    target.set(bytes.subarray(0, taken), this.#filled);
    this.#filled += taken;
    this.#at += taken;
    return taken;
  }

  padding(n: number): void {
    // Only foreign records have padding: the bodies of ramferry records are multiples of 8 bytes.
    this.#verbatim(n);
  }

  end(record: LibxcRecord): void {
    if (isChunk(record.type)) {
      this.findings.push({ kind: 'complete' });
      this.full = true;
    } else if (isTotalsOrMark(record.type)) {
      const kind = record.type === XENGUEST_RECORD.mark ? 'mark' : 'totals';
      this.findings.push({ kind, record, body: this.#body });
      this.full = true;
    }
  }
}

/** Whether records of this type hold a chunk. */
function isChunk(type: number): boolean {
  return type === XENGUEST_RECORD.chunk || type === XENGUEST_RECORD.bytes;
}

/** Whether records of this type are ramferry records without a chunk. */
function isTotalsOrMark(type: number): boolean {
  return type === XENGUEST_RECORD.totals || type === XENGUEST_RECORD.mark;
}

function impossible(record: LibxcRecord, what: string): RamferryError {
  return new RamferryError('ERR_STREAM_LIMIT', `a ${what} record claims ${record.length} bytes`, {
    record: record.number,
    offset: record.offset,
  });
}
