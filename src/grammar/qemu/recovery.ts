// Finds the way back into a QEMU stream whose walk has ended: looks for the footer of the section in which the walk ended, followed by
// what can begin a section (savevm.c writes 0x7E and the section's id behind each section's data), or for the START of ram.
// Meanwhile the bytes are opaque blocks, aligned as OpaqueTail aligns them, or skeleton. A false hit costs ratio, never bytes: the walk that it
// begins only decides how bytes are reported. Memory and look-ahead are bounded; the search gives up after RECOVERY_BYTES.

import { Buffer } from 'node:buffer';

import { PAGE_BYTES } from '../../page/size.js';
import { NO_IDENTITY, type SegmentSink } from '../grammar.js';
import { isFull } from '../room.js';
import { MIB } from '../../units.js';
import { isKnownCommand } from './commands.js';
import { readU16, readU32, sectionHead } from './fields.js';
import { MAX_SECTION_ID, RAM_FLAG, RAM_FLAG_MASK, RAM_SECTION, SECTION } from './format.js';

/** Bytes of unknown structure after which the search ends. A section of one round is what QEMU sends in 100 ms: some MiB. */
export const RECOVERY_BYTES = 1024 * MIB;

/** What the search looks for. */
export interface RecoveryRules {
  /** The section in which the walk has ended; undefined where that is not known. */
  readonly section: number | undefined;
  /** Whether START has announced a section of that number. */
  isLive(id: number): boolean;
  /** The bytes are device state, not pages: they are reported as skeleton. */
  readonly skeleton: boolean;
  /** No ram section has begun: its START is a way back, too. */
  readonly ramStart: boolean;
}

const FOOTER_BYTES = 5;
/** Section type, id, name of at most 255 bytes, instance, version. */
const NEEDED_BYTES = 1 + 4 + 256 + 8;
/** After a byte that was no footer the search goes on byte by byte for so long: a call of indexOf costs as much as 64 such steps. */
const STEPS = 64;

/** START of ram without type and id. */
const RAM_START = sectionHead(RAM_SECTION).subarray(4);
const START_BYTES = 5 + RAM_START.length + 8;

const enum Verdict {
  no,
  yes,
  /** more bytes decide */
  open,
}

export class Recovery {
  /** The walk goes on at the current position, which is the beginning of a section. */
  found = false;
  /** The search has ended: everything behind the current position is opaque. */
  gaveUp = false;

  readonly #rules: RecoveryRules;
  readonly #limit: number;
  /** Offset of the next byte to report. */
  #offset: number;
  /** Bytes before this offset begin no section. */
  #decided: number;
  #hit: { readonly at: number; readonly footer: boolean } | undefined;

  /** A footer precedes the section that was found. */
  get footer(): boolean {
    return this.#hit?.footer === true;
  }

  /** @param offset of the first unknown byte; determines the alignment of the blocks */
  constructor(offset: number, rules: RecoveryRules, limit = RECOVERY_BYTES) {
    this.#offset = this.#decided = offset;
    this.#limit = offset + limit;
    this.#rules = rules;
  }

  /** As {@link Grammar.scan}. Stops where `found` or `gaveUp` is set. */
  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    if (this.#hit === undefined) this.#search(data, atEnd);
    if (this.#hit === undefined && this.#decided >= this.#limit) {
      this.gaveUp = true;
      return 0;
    }
    const end = this.#hit?.at ?? (atEnd ? this.#offset + data.length : this.#decided);
    const from = this.#offset;
    this.#report(end, this.#hit !== undefined || atEnd, out);
    if (this.#hit !== undefined && this.#offset === this.#hit.at && !isFull(out)) {
      if (this.#hit.footer) {
        out.skeleton(FOOTER_BYTES);
        this.#offset += FOOTER_BYTES;
      }
      this.found = true;
    }
    return this.#offset - from;
  }

  /** Reports bytes up to `end`: blocks, and skeleton where no whole block fits. */
  #report(end: number, toTheEnd: boolean, out: SegmentSink): void {
    if (this.#rules.skeleton) {
      if (end > this.#offset && !isFull(out)) this.#skeleton(end - this.#offset, out);
      return;
    }
    const lead = Math.min((PAGE_BYTES - (this.#offset % PAGE_BYTES)) % PAGE_BYTES, end - this.#offset);
    if (lead > 0 && !isFull(out)) this.#skeleton(lead, out);
    const pages = Math.floor((end - this.#offset) / PAGE_BYTES);
    if (pages > 0 && this.#offset % PAGE_BYTES === 0 && !isFull(out)) {
      out.pages(pages, NO_IDENTITY);
      this.#offset += pages * PAGE_BYTES;
    }
    const rest = end - this.#offset;
    if (toTheEnd && rest > 0 && rest < PAGE_BYTES && !isFull(out)) this.#skeleton(rest, out);
  }

  #skeleton(n: number, out: SegmentSink): void {
    out.skeleton(n);
    this.#offset += n;
  }

  #search(data: Uint8Array, atEnd: boolean): void {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    const footer = this.#searchFooter(bytes, atEnd);
    let at = footer.at;
    let hit = footer.hit;
    if (this.#rules.ramStart) {
      const start = this.#searchStart(bytes, atEnd, at);
      if (start.at < at || (start.hit && !hit)) {
        at = start.at;
        hit = start.hit;
        if (hit) {
          this.#found(at, false);
          return;
        }
      }
    }
    if (hit) this.#found(at, true);
    else this.#decided = this.#offset + at;
  }

  #found(at: number, footer: boolean): void {
    const offset = this.#offset + at;
    if (offset < this.#limit) this.#hit = { at: offset, footer };
    else this.#decided = this.#limit;
  }

  /** @returns the first footer that counts, or up to where there is none */
  #searchFooter(bytes: Buffer, atEnd: boolean): { at: number; hit: boolean } {
    let at = this.#decided - this.#offset;
    while (at < bytes.length) {
      at = bytes.indexOf(SECTION.footer, at);
      if (at < 0) break;
      for (const stop = Math.min(bytes.length, at + STEPS); at < stop; at++) {
        if (bytes[at] !== SECTION.footer) continue;
        const verdict = this.#judge(bytes, at, atEnd);
        if (verdict !== Verdict.no) return { at, hit: verdict === Verdict.yes };
      }
    }
    return { at: bytes.length, hit: false };
  }

  /** @returns the first START of ram before `end`, or up to where there is none */
  #searchStart(bytes: Buffer, atEnd: boolean, end: number): { at: number; hit: boolean } {
    const from = this.#decided - this.#offset;
    // No further than a START that begins before `end`: another search may begin there, and would look at the same bytes again.
    const near = bytes.subarray(0, end + 5 + RAM_START.length);
    for (let at = from + 5; ; at++) {
      at = near.indexOf(RAM_START, at);
      if (at < 0 || at - 5 >= end) break;
      const start = at - 5;
      if (bytes.length - start < START_BYTES && !atEnd) return { at: start, hit: false };
      if (isRamStart(bytes, start)) return { at: start, hit: true };
    }
    const open = atEnd ? bytes.length : Math.max(from, bytes.length - START_BYTES + 1);
    return { at: Math.min(end, open), hit: false };
  }

  #judge(bytes: Buffer, at: number, atEnd: boolean): Verdict {
    const left = bytes.length - at;
    if (left < FOOTER_BYTES) return atEnd ? Verdict.no : Verdict.open;
    const id = readU32(bytes, at + 1);
    const { section } = this.#rules;
    if (section === undefined ? !this.#rules.isLive(id) : id !== section) return Verdict.no;
    if (left < FOOTER_BYTES + NEEDED_BYTES && !atEnd) return Verdict.open;
    return this.#beginsSection(bytes, at + FOOTER_BYTES) ? Verdict.yes : Verdict.no;
  }

  /** All bytes that decide are there, or the input has ended. */
  #beginsSection(bytes: Buffer, at: number): boolean {
    const left = bytes.length - at;
    switch (bytes[at]) {
      case SECTION.part:
      case SECTION.end:
        return left >= 5 && this.#rules.isLive(readU32(bytes, at + 1));
      case SECTION.start:
      case SECTION.full:
        return hasSectionHead(bytes, at);
      case SECTION.command:
        return left >= 5 && isKnownCommand(readU16(bytes, at + 1), readU16(bytes, at + 3));
      case SECTION.eof:
        return left === 1 || (left >= 7 && bytes[at + 1] === SECTION.vmDescription && bytes[at + 6] === 0x7b);
      default:
        return false;
    }
  }
}

/** The head of a START or FULL section: a small number, a printable name, small instance and version. */
function hasSectionHead(bytes: Buffer, at: number): boolean {
  const length = bytes[at + 5] ?? 0;
  if (length === 0 || bytes.length - at < 6 + length + 8) return false;
  if (readU32(bytes, at + 1) > MAX_SECTION_ID || readU32(bytes, at + 10 + length) > MAX_SECTION_ID)
    return false;
  return bytes.subarray(at + 6, at + 6 + length).every((byte) => byte >= 0x20 && byte < 0x7f);
}

/** Behind the head comes the list of blocks: a word with flag MEM_SIZE. */
function isRamStart(bytes: Buffer, at: number): boolean {
  if (bytes.length - at < START_BYTES || bytes[at] !== SECTION.start) return false;
  const word = readU32(bytes, at + START_BYTES - 4);
  return readU32(bytes, at + 1) <= MAX_SECTION_ID && (word & RAM_FLAG_MASK) === RAM_FLAG.memSize;
}
