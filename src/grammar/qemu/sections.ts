// Walks the sections of a QEMU stream (qemu_savevm_state_* in savevm.c): CONFIGURATION, commands, ram, and the sections beside ram that
// describe themselves. Device state has no length fields: there, and at anything unknown, the walk stops before the item and `lost`
// says why. The caller decides how the stream goes on.

import type { SegmentSink } from '../grammar.js';
import { meaningOf } from './commands.js';
import { ConfigurationWalk } from './configuration.js';
import { headBytes, readSectionHead, readU16, readU32, type SectionHead } from './fields.js';
import { MAX_FLUSHES, MAX_LIVE_SECTIONS, RAM_SECTION, SECTION } from './format.js';
import { LiveWalk } from './live.js';
import { liveKind, type LiveKind } from './live-formats.js';
import { RamWalk } from './ram.js';

/** The meaning of the next byte. */
const enum Next {
  /** a section's type, or one of CONFIGURATION's subsections */
  section,
  /** a capability of CONFIGURATION */
  capability,
  /** a body of known length */
  body,
  /** data of ram, or of a section beside it */
  data,
  footer,
}

/** Why the walk has stopped. */
export interface Lost {
  readonly because: string;
  /** Pages come one at a time from here on. */
  readonly urgent?: boolean;
  /** The section in which, or before which, the walk has stopped. */
  readonly section?: number;
  /** Device state behind a part of RAM: that is how a background snapshot ends. */
  readonly snapshot?: boolean;
}

export class SectionWalk {
  /** Set when the walk has stopped: the item at the returned position cannot be followed. */
  lost: Lost | undefined;
  /** RAM's END section is over: only device state follows. */
  ramDone = false;
  /** PART and END sections of ram so far. */
  ramParts = 0;
  /** EOF has come. */
  eof = false;
  /** Sections end with a footer. Some machine types write none, and the stream does not say which. */
  footers = false;
  /** The final part of the stream has begun: RAM's END section, the switch to postcopy, or EOF. */
  finalBegun = false;
  readonly ram = new RamWalk();

  readonly #configuration = new ConfigurationWalk();
  #next = Next.section;
  #ramSection: number | undefined;
  /** The sections beside ram that START has announced; undefined = of an unknown format. */
  readonly #live = new Map<number, LiveKind | undefined>();
  /** The section whose data or footer comes next, and its walk where it is not ram. */
  #current = 0;
  #walk: LiveWalk | undefined;
  /** The current ram section is END (true), or START or PART (false). */
  #lastPart = false;
  /** Sections so far: CONFIGURATION is the first one, or absent. */
  #sections = 0;
  #flushes = 0;
  #inConfiguration = false;
  #bodyLeft = 0;
  /** Set in the body of a command after which latency matters: why the walk ends with this body. */
  #urgentBecause: string | undefined;

  /** As BlockList.passable. */
  get passable(): number {
    return this.#next === Next.data && this.#walk === undefined ? this.ram.list.passable : 0;
  }

  /** The next byte begins a section. */
  get betweenSections(): boolean {
    return this.#next === Next.section;
  }

  get ramStarted(): boolean {
    return this.#ramSection !== undefined;
  }

  isLive(id: number): boolean {
    return id === this.#ramSection || this.#live.has(id);
  }

  /**
   * Continues at the beginning of a section.
   * @param footer a footer precedes it
   * @returns false where the walk would end in the same way again and again
   */
  resume(footer: boolean): boolean {
    const within = this.#next === Next.data && this.#walk === undefined && this.ramStarted;
    if (within && this.#lastPart) this.ramDone = true;
    this.footers ||= footer;
    this.lost = undefined;
    this.#walk = undefined;
    this.#inConfiguration = false;
    this.#sections += 1;
    this.#next = Next.section;
    return this.ram.resume(within);
  }

  /** Consumes one or more items. @returns their bytes; 0 where the item is not complete, or the walk has stopped before it */
  step(data: Uint8Array, at: number, out: SegmentSink): number {
    switch (this.#next) {
      case Next.section:
        return this.#section(data, at, out);
      case Next.capability:
        return this.#configure(data, at, out);
      case Next.body:
        return this.#body(data, at, out);
      case Next.data:
        return this.#walk === undefined ? this.#ramData(data, at, out) : this.#liveData(data, at, out);
      case Next.footer:
        return this.#footer(data, at, out);
    }
  }

  #stop(because: string, more: Omit<Lost, 'because'> = {}): 0 {
    this.lost = { because, ...more };
    return 0;
  }

  #section(data: Uint8Array, at: number, out: SegmentSink): number {
    const type = data[at];
    if (this.eof && type !== SECTION.vmDescription) return this.#stop('bytes after the end');
    if (type === SECTION.subsection && this.#inConfiguration) return this.#configure(data, at, out);
    switch (type) {
      case SECTION.configuration: {
        if (this.#sections > 0) return this.#stop('CONFIGURATION that is not the first section');
        const n = this.#configure(data, at, out);
        if (n > 0) this.#begun(true);
        return n;
      }
      case SECTION.start:
      case SECTION.full:
        return this.#headed(data, at, out, type === SECTION.full);
      case SECTION.part:
      case SECTION.end:
        return this.#part(data, at, out, type === SECTION.end);
      case SECTION.command:
        return this.#command(data, at, out);
      case SECTION.vmDescription:
        return data.length - at < 5 ? 0 : this.#beginBody(out, 5, readU32(data, at + 1));
      case SECTION.eof:
        this.eof = true;
        this.finalBegun = true;
        this.#begun();
        out.skeleton(1);
        this.#flush(out);
        return 1;
      default:
        return this.#stop('unknown section type');
    }
  }

  /** Counts a section whose header is valid. */
  #begun(configuration = false): void {
    this.#sections += 1;
    this.#inConfiguration = configuration;
  }

  /** One item of CONFIGURATION. */
  #configure(data: Uint8Array, at: number, out: SegmentSink): number {
    const configuration = this.#configuration;
    const n = configuration.walk(data, at, out);
    if (configuration.lostBecause !== undefined) return this.#stop(configuration.lostBecause);
    this.ram.list.ignoreShared = configuration.ignoreShared;
    this.ram.list.mappedRam = configuration.mappedRam;
    this.ram.pageBits = configuration.pageBits;
    this.#next = configuration.amidCapabilities ? Next.capability : Next.section;
    return n;
  }

  /** A START or FULL section. */
  #headed(data: Uint8Array, at: number, out: SegmentSink, full: boolean): number {
    if (full && this.ramDone) return this.#stop('device state');
    const head = readSectionHead(data, at);
    if (head === undefined) return 0;
    const { id, name } = head;
    if (name === RAM_SECTION.name && !full) return this.#startRam(head, out);
    const kind = liveKind(name, full);
    if (!full && this.#live.size < MAX_LIVE_SECTIONS) this.#live.set(id, kind);
    if (kind === undefined) {
      const because = full ? 'device state before the end of RAM' : 'live section of an unknown format';
      return this.#stop(`${because} ('${name}')`, { section: id, snapshot: full && this.ramParts > 0 });
    }
    return this.#begin(headBytes(name), id, kind, out);
  }

  #startRam({ id, name, version }: SectionHead, out: SegmentSink): number {
    if (this.#ramSection !== undefined) return this.#stop('a second ram section', { section: id });
    if (version !== RAM_SECTION.version)
      return this.#stop('ram section of an unknown version', { section: id });
    this.#ramSection = id;
    return this.#begin(headBytes(name), id, undefined, out);
  }

  /** Reports the head of a section whose data follows. @param kind undefined = ram */
  #begin(length: number, id: number, kind: LiveKind | undefined, out: SegmentSink): number {
    this.#begun();
    this.#current = id;
    this.#walk = kind && new LiveWalk(kind);
    this.#next = Next.data;
    out.skeleton(length);
    return length;
  }

  #part(data: Uint8Array, at: number, out: SegmentSink, last: boolean): number {
    if (this.ramDone) return this.#stop('a section after the end of RAM');
    if (data.length - at < 5) return 0;
    const id = readU32(data, at + 1);
    if (id === this.#ramSection) {
      this.#lastPart = last;
      this.ramParts += 1;
      if (last) this.finalBegun = true;
      return this.#begin(5, id, undefined, out);
    }
    if (!this.#live.has(id)) return this.#stop('part of a section that no START announced', { section: id });
    const kind = this.#live.get(id);
    if (kind === undefined) return this.#stop('part of a section of an unknown format', { section: id });
    return this.#begin(5, id, kind, out);
  }

  #ramData(data: Uint8Array, at: number, out: SegmentSink): number {
    const stop = this.ram.walk(data, at, out);
    if (this.ram.ended) {
      this.ramDone = this.#lastPart;
      this.#next = Next.footer;
    }
    if (this.ram.lostBecause !== undefined) this.#stop(this.ram.lostBecause, { section: this.#current });
    return stop - at;
  }

  #liveData(data: Uint8Array, at: number, out: SegmentSink): number {
    const walk = this.#walk!;
    const stop = walk.walk(data, at, out);
    if (walk.ended) this.#next = Next.footer;
    if (walk.lostBecause !== undefined) this.#stop(walk.lostBecause, { section: this.#current });
    return stop - at;
  }

  /** A machine type writes footers behind all sections or behind none: no section type is 0x7E. */
  #footer(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data[at] !== SECTION.footer) {
      if (this.footers) return this.#stop('section without footer', { section: this.#current });
      this.#next = Next.section;
      return this.#section(data, at, out);
    }
    if (data.length - at < 5) return 0;
    if (readU32(data, at + 1) !== this.#current) return this.#stop('footer of another section');
    this.footers = true;
    this.#next = Next.section;
    out.skeleton(5);
    return 5;
  }

  #command(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data.length - at < 5) return 0;
    const length = readU16(data, at + 3);
    const meaning = meaningOf(readU16(data, at + 1), length);
    if (meaning.postcopyAdvised === true) this.ram.list.postcopyAdvised = true;
    this.#urgentBecause = meaning.urgentBecause;
    if (this.#urgentBecause !== undefined) this.finalBegun = true;
    return this.#beginBody(out, 5, length);
  }

  /** Reports a header. A body of `length` bytes follows, and a flush behind it. */
  #beginBody(out: SegmentSink, header: number, length: number): number {
    this.#begun();
    out.skeleton(header);
    this.#bodyLeft = length;
    this.#next = Next.body;
    if (length === 0) this.#endBody(out);
    return header;
  }

  #body(data: Uint8Array, at: number, out: SegmentSink): number {
    const n = Math.min(this.#bodyLeft, data.length - at);
    out.skeleton(n);
    this.#bodyLeft -= n;
    if (this.#bodyLeft === 0) this.#endBody(out);
    return n;
  }

  /** Each flush ends a chunk, so their number is limited. Later bytes leave when a chunk is full or the flush delay is over. */
  #flush(out: SegmentSink): void {
    if (this.#flushes++ < MAX_FLUSHES) out.flush();
  }

  #endBody(out: SegmentSink): void {
    this.#flush(out);
    this.#next = Next.section;
    if (this.#urgentBecause !== undefined) this.#stop(this.#urgentBecause, { urgent: true });
  }
}
