// The grammar of Xen streams: bare libxc, or inside a libxl stream, an `xl save` file or a xenopsd image.
// Everything is skeleton but the pfn entries (words) and the pages of PAGE_DATA records, whose identity is the pfn.
// Record boundaries come from the walk, so a PAGE_DATA that cannot be right costs the recognition of pages from there
// on, but neither the marks around PAGE_DATA nor the exact end of the stream.

import type { Grammar, ScanEnd, SegmentSink, StreamEnd } from './grammar.js';
import { LIBXC_RECORD, LIBXL_RECORD, RECORD_HEADER_BYTES, XENGUEST_RECORD } from './libxc-format.js';
import { PageDataBody } from './libxc-pages.js';
import type { LibxcRecord } from './libxc-records.js';
import { XenWalk, type XenHandler, type XenKind, type XenWalkOptions } from './xen-wrapping.js';

/** Makes the grammar for a stream of this kind, from its first byte. */
export function createXenGrammar(kind: XenKind, options: XenWalkOptions = {}): Grammar {
  return new WalkedGrammar(new XenWalk(kind, options));
}

class WalkedGrammar implements Grammar {
  readonly name = 'libxc';
  readonly #walk: XenWalk;
  readonly #segments = new Segments();
  /** Bytes that were shown and not consumed. */
  #kept = 0;

  constructor(walk: XenWalk) {
    this.#walk = walk;
  }

  get state(): ScanEnd {
    return this.#walk.state;
  }

  get bigEndian(): boolean {
    return this.#walk.bigEndian;
  }

  get compressed(): boolean {
    return this.#segments.compressed;
  }

  /** From the first END, or CHECKPOINT: what Remus has sent up to there is run when the source dies. */
  get finalFrom(): number | undefined {
    const { final } = this.#segments;
    return final === Infinity && this.#walk.lostBecause !== undefined ? undefined : final;
  }

  get opaqueBecause(): string | undefined {
    return this.#walk.lostBecause ?? this.#segments.pages.brokenBecause;
  }

  /**
   * Infinity but for a bare libxc stream. It counts from the bytes that scan was shown last, so after a scan that its
   * sink has stopped it may be 0: scan again before reading.
   */
  get mayRead(): number {
    return Math.max(0, this.#walk.certainBytes - this.#kept);
  }

  end(): StreamEnd {
    return this.#walk.end();
  }

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    this.#segments.out = out;
    const taken = this.#walk.scan(data, atEnd, this.#segments);
    this.#kept = data.length - taken;
    return taken;
  }
}

/** Turns records into segments. */
class Segments implements XenHandler {
  out!: SegmentSink;
  readonly pages = new PageDataBody();
  compressed = false;
  final = Infinity;

  get full(): boolean {
    return this.out.full;
  }

  between(n: number): void {
    this.out.skeleton(n);
  }

  flush(): void {
    this.out.flush();
  }

  begin(record: LibxcRecord): void {
    const { type } = record;
    if (type === XENGUEST_RECORD.chunk || type === XENGUEST_RECORD.totals) this.compressed = true;
    if (type === LIBXC_RECORD.end || type === LIBXC_RECORD.checkpoint) {
      this.final = Math.min(this.final, record.offset);
      this.out.totals();
    }
    if (type === LIBXC_RECORD.pageData) {
      this.out.pageData(true);
      this.pages.begin(record);
    }
    this.out.skeleton(RECORD_HEADER_BYTES);
  }

  body(record: LibxcRecord, data: Uint8Array, start: number, end: number, atEnd: boolean): number {
    // After one PAGE_DATA that was not believed no further one is: what follows may be anything.
    const believed = this.pages.brokenBecause === undefined;
    if (record.type === LIBXC_RECORD.pageData && believed) {
      return this.pages.scan(data, start, end, atEnd, this.out);
    }
    this.out.skeleton(end - start);
    return end - start;
  }

  padding(n: number): void {
    this.out.skeleton(n);
  }

  end(record: LibxcRecord): void {
    if (record.type === LIBXC_RECORD.pageData) this.out.pageData(false);
    if (mayBeAnswered(record)) this.out.flush();
  }
}

/**
 * After these the writer may wait for the other side. libxl's own checkpoint records lie among libxc's in a bare Remus
 * stream, and with COLO wherever libxl is called back; they are told from libxc's vcpu records, whose numbers they
 * share, by bodies too short for those.
 */
function mayBeAnswered({ type, length }: LibxcRecord): boolean {
  return (
    type === LIBXC_RECORD.end ||
    type === LIBXC_RECORD.checkpoint ||
    (type === LIBXL_RECORD.checkpointEnd && length === 0) ||
    (type === LIBXL_RECORD.checkpointState && length === 4)
  );
}
