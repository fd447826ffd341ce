// The grammar of Xen streams: bare libxc, or inside a libxl stream, an `xl save` file or a xenopsd image.
// The pfn entries of PAGE_DATA records are words, their pages are pages with the pfn as identity, all else is skeleton.
// Record boundaries come from the walk. After an invalid PAGE_DATA no pages are recognised, but the marks around PAGE_DATA and
// the end of the stream still are.

import type { Grammar, ScanEnd, SegmentSink, StreamEnd } from '../grammar.js';
import {
  LAST_KNOWN_TYPE,
  LIBXC_RECORD,
  LIBXL_RECORD,
  RECORD_HEADER_BYTES,
  XENGUEST_RECORD,
} from './libxc-format.js';
import { PageDataBody } from './libxc-pages.js';
import type { LibxcRecord } from './libxc-records.js';
import { OpaqueTail } from '../opaque.js';
import { XenWalk, type XenHandler, type XenKind, type XenWalkOptions } from './wrapping.js';

/** A record of an unknown type may hold pages from this size on. */
const LARGE_BODY = 4096;

/** Makes the grammar for a stream of this kind, from its first byte. */
export function createXenGrammar(kind: XenKind, options: XenWalkOptions = {}): Grammar {
  return new WalkedGrammar(new XenWalk(kind, options));
}

class WalkedGrammar implements Grammar {
  readonly name = 'libxc';
  readonly #walk: XenWalk;
  readonly #segments = new Segments();
  /** Bytes of the last scan that were not consumed. */
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

  /** From the first END or CHECKPOINT: when the source dies, Remus runs the guest from its last checkpoint. */
  get finalFrom(): number | undefined {
    const { final } = this.#segments;
    return final === Infinity && this.#walk.lostBecause !== undefined ? undefined : final;
  }

  get damage(): Grammar['damage'] {
    return this.#segments.damage;
  }

  get bytesBehindEnd(): number {
    return this.#walk.complete ? this.#segments.restBytes : 0;
  }

  get opaqueBecause(): string | undefined {
    return this.#walk.lostBecause ?? this.#segments.pages.brokenBecause;
  }

  /**
   * Infinity except for a bare libxc stream. It counts from the end of the last scan's data, so it may be 0 after a scan that a
   * full sink has stopped: scan again before reading.
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
  damage: Grammar['damage'];
  /** Bytes of unknown structure so far. */
  restBytes = 0;
  #rest: OpaqueTail | undefined;

  get full(): boolean {
    return this.out.full;
  }

  between(n: number): void {
    this.out.skeleton(n);
  }

  header(what: 'image' | 'domain', compressed: boolean): void {
    if (compressed) this.compressed = true;
    this.out.header?.(what);
  }

  rest(data: Uint8Array, start: number, end: number, atEnd: boolean, offset: number): number {
    if (this.#rest === undefined) {
      this.out.rest?.();
      // Where the sink has no `rest`, skeleton: it leaves at once, without waiting for a complete block.
      this.#rest = new OpaqueTail(offset, { skeleton: this.out.rest === undefined });
    }
    const taken = this.#rest.scan(data.subarray(start, end), atEnd, this.out);
    this.restBytes += taken;
    return taken;
  }

  flush(): void {
    this.out.flush();
  }

  begin(record: LibxcRecord): void {
    const { type, missing } = record;
    if (OURS.includes(type)) this.compressed = true;
    if (missing !== undefined) this.damage ??= lacking(record, missing);
    if (type === LIBXC_RECORD.end || type === LIBXC_RECORD.checkpoint) {
      this.final = Math.min(this.final, record.offset);
      this.out.totals();
    }
    if (type === LIBXC_RECORD.pageData) {
      this.out.pageData(true);
      this.pages.begin(record);
    } else if (isUnknownAndLarge(record)) {
      this.out.pageData(true);
    }
    this.out.skeleton(RECORD_HEADER_BYTES);
  }

  body(record: LibxcRecord, data: Uint8Array, start: number, end: number, atEnd: boolean): number {
    // After an invalid PAGE_DATA the later ones are not trusted either.
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
    if (record.type === LIBXC_RECORD.pageData || isUnknownAndLarge(record)) this.out.pageData(false);
    if (mayBeAnswered(record)) this.out.flush();
  }
}

/**
 * After these records the writer may wait for the other side. A bare Remus stream, and COLO at each callback of libxl, has
 * libxl's checkpoint records among libxc's. libxc's vcpu records have the same numbers but longer bodies.
 */
function mayBeAnswered({ type, length }: LibxcRecord): boolean {
  return (
    type === LIBXC_RECORD.end ||
    type === LIBXC_RECORD.checkpoint ||
    (type === LIBXL_RECORD.checkpointEnd && length === 0) ||
    (type === LIBXL_RECORD.checkpointState && length === 4)
  );
}

const OURS: readonly number[] = Object.values(XENGUEST_RECORD);

/** Compressed like page data, since its contents are unknown. Bit 31 (optional) makes no difference. */
function isUnknownAndLarge({ type, length }: LibxcRecord): boolean {
  return type > LAST_KNOWN_TYPE && length >= LARGE_BODY && !OURS.includes(type);
}

/** The damage of a stream without records that every saver writes; sender and receiver use the same words. */
export function lacking(
  { type, number, offset }: LibxcRecord,
  missing: readonly string[],
): NonNullable<Grammar['damage']> {
  const end = type === LIBXC_RECORD.end ? 'END' : 'CHECKPOINT';
  const message = `the libxc stream reaches its ${end} without ${missing.join(', ')}, which every saver writes before it`;
  return { message, record: number, offset };
}
