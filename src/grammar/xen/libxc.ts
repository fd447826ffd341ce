// The grammar of Xen streams: bare libxc, or inside a libxl stream, an `xl save` file or a xenopsd image.
// Everything is skeleton but the pfn entries (words) and the pages of PAGE_DATA records, whose identity is the pfn.
// Record boundaries come from the walk, so a PAGE_DATA that cannot be right costs the recognition of pages from there
// on, but neither the marks around PAGE_DATA nor the exact end of the stream.

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

/** A record of a type that the specification does not name may hold pages, too, from this size on. */
const LARGE_BODY = 4096;

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
  damage: Grammar['damage'];
  /** Bytes of no known structure so far. */
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
      // Skeleton where the sink does not care: it leaves at once, and nothing waits for a whole block.
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
    if (record.type === LIBXC_RECORD.pageData || isUnknownAndLarge(record)) this.out.pageData(false);
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

const OURS: readonly number[] = Object.values(XENGUEST_RECORD);

/** Compressed like page data: its contents are not known. Bit 31 (optional) makes no difference. */
function isUnknownAndLarge({ type, length }: LibxcRecord): boolean {
  return type > LAST_KNOWN_TYPE && length >= LARGE_BODY && !OURS.includes(type);
}

/** What every libxc stream has and this one lacks at its END or CHECKPOINT; the same words at both sides. */
export function lacking(
  { type, number, offset }: LibxcRecord,
  missing: readonly string[],
): NonNullable<Grammar['damage']> {
  const end = type === LIBXC_RECORD.end ? 'END' : 'CHECKPOINT';
  const message = `the libxc stream comes to its ${end} without ${missing.join(', ')}, which every saver writes before it`;
  return { message, record: number, offset };
}
