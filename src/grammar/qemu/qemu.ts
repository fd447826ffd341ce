// The grammar of QEMU's migration stream (format.ts). A page's identity is (number of its RAM block) * 2^36 + address / 4096.
// Device state has no length fields, so all bytes behind the last ram section are skeleton. After an unknown item, device state
// before the end of RAM, or a switch to postcopy, the rest is opaque (opaqueBecause says why).

import {
  type Grammar,
  incomplete,
  type ScanEnd,
  SEEN,
  type SegmentSink,
  type StreamEnd,
  unseen,
} from '../grammar.js';
import { QEMU_MAGIC } from '../magics.js';
import { OpaqueTail, type TailOptions } from '../opaque.js';
import { ConfigurationWalk } from './configuration.js';
import { readCounted, readU16, readU32 } from './fields.js';
import { RamWalk } from './ram.js';
import { QemuTail } from './tail.js';
import { meaningOf } from './commands.js';
import { FILE_VERSION, RAM_SECTION, SECTION } from './format.js';
import { isFull } from '../room.js';

/** The meaning of the next byte. */
const enum Next {
  magic,
  /** a section's type, or one of CONFIGURATION's subsections */
  section,
  /** a capability of CONFIGURATION */
  capability,
  /** a body of known length */
  body,
  ram,
  footer,
}

export class QemuGrammar implements Grammar {
  readonly name = 'qemu';
  readonly state: ScanEnd = 'open';
  opaqueBecause: string | undefined;
  #next = Next.magic;
  #offset: number;
  #tail: OpaqueTail | undefined;
  /** Set when the walk has ended: how the rest is to be reported. */
  #rest: TailOptions | undefined;
  readonly #configuration = new ConfigurationWalk();
  readonly #ram = new RamWalk();
  #ramSection: number | undefined;
  /** The current ram section is END (true), or START or PART (false). */
  #lastPart = false;
  /** RAM's END section is over: only device state follows. */
  #ramDone = false;
  /** Sections end with a footer. Some machine types write none, and the stream does not say which. */
  #footers = false;
  /** The bytes behind the last ram section. */
  #deviceState: QemuTail | undefined;
  #eof = false;
  /** The input has ended within an item. */
  #brokeOff = false;
  /** Sections so far: CONFIGURATION is the first one, or absent. */
  #sections = 0;
  #inConfiguration = false;
  #bodyLeft = 0;
  /** Set in the body of a command after which latency matters: why the walk ends with this body. */
  #urgentBecause: string | undefined;
  /** Set when the walk has ended where the end of the stream cannot be recognised. */
  #endUnseenBecause: string | undefined;
  /** Offset of RAM's END section, of the switch to postcopy, or of EOF in a stream without RAM. */
  #final = Infinity;

  /** @param offset bytes of the file before the stream (libvirt's header): opaque blocks are aligned to the file */
  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** After the last ram section: device state, while the guest is paused. */
  get downtime(): boolean {
    return this.#rest?.skeleton === true;
  }

  get finalFrom(): number | undefined {
    return this.#final === Infinity && this.#rest !== undefined ? undefined : this.#final;
  }

  get ramLeft(): number | undefined {
    return this.#rest === undefined ? this.#ram.left : undefined;
  }

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    let at = 0;
    while (this.#rest === undefined && at < data.length && !isFull(out)) {
      const n = this.#step(data, at, out);
      at += n;
      this.#offset += n;
      if (n === 0) break;
    }
    if (isFull(out)) return at;
    if (this.#rest !== undefined) {
      this.#tail ??= new OpaqueTail(this.#offset, this.#rest);
      const n = this.#tail.scan(data.subarray(at), atEnd, out);
      this.#deviceState?.take(data.subarray(at, at + n));
      return at + n;
    }
    if (!atEnd || at === data.length) return at;
    this.#brokeOff = true;
    out.skeleton(data.length - at);
    return data.length;
  }

  end(): StreamEnd {
    if (this.#endUnseenBecause !== undefined) return unseen(this.#endUnseenBecause);
    if (this.#eof && this.#deviceState !== undefined) return unseen('bytes follow its end');
    if (this.#deviceState !== undefined) return this.#deviceState.end();
    if (this.#eof && this.#ramDone && this.#next === Next.section && !this.#brokeOff) return SEEN;
    return incomplete(this.#ramDone ? 'it breaks off after RAM' : 'it breaks off before the end of RAM');
  }

  /** Consumes one or more items. @returns their bytes; 0 where the item is not complete, or the walk has ended before it */
  #step(data: Uint8Array, at: number, out: SegmentSink): number {
    switch (this.#next) {
      case Next.magic:
        return this.#magic(data, at, out);
      case Next.section:
        return this.#section(data, at, out);
      case Next.capability:
        return this.#configure(data, at, out);
      case Next.body:
        return this.#body(data, at, out);
      case Next.ram:
        return this.#ramData(data, at, out);
      case Next.footer:
        return this.#footer(data, at, out);
    }
  }

  /** Ends the walk: the bytes behind the reported ones are opaque. */
  #lost(because: string, urgent = false): 0 {
    // Behind the end of RAM, or of the stream, no page follows: this is the normal end of a walk.
    const over = this.#ramDone || this.#eof;
    if (!over) this.opaqueBecause = because;
    this.#rest = { skeleton: over, urgent };
    this.#endUnseenBecause = over && !urgent ? undefined : because;
    if (this.#ramDone && !urgent) this.#deviceState = new QemuTail(this.#footers);
    return 0;
  }

  #magic(data: Uint8Array, at: number, out: SegmentSink): number {
    const length = QEMU_MAGIC.length + 4;
    if (data.length - at < length) return 0;
    if (!QEMU_MAGIC.every((byte, i) => data[at + i] === byte)) return this.#lost('no QEMU magic');
    const version = readU32(data, at + QEMU_MAGIC.length);
    if (version !== FILE_VERSION) return this.#lost(`QEMU stream version ${version}`);
    this.#next = Next.section;
    out.skeleton(length);
    return length;
  }

  #section(data: Uint8Array, at: number, out: SegmentSink): number {
    const type = data[at];
    if (this.#eof && type !== SECTION.vmDescription) return this.#lost('bytes after the end');
    if (type === SECTION.subsection && this.#inConfiguration) return this.#configure(data, at, out);
    switch (type) {
      case SECTION.configuration: {
        if (this.#sections > 0) return this.#lost('CONFIGURATION that is not the first section');
        const n = this.#configure(data, at, out);
        if (n > 0) this.#begun(true);
        return n;
      }
      case SECTION.start:
        return this.#start(data, at, out);
      case SECTION.part:
      case SECTION.end:
        return this.#part(data, at, out, type === SECTION.end);
      case SECTION.full:
        return this.#lost('device state before the end of RAM');
      case SECTION.command:
        return this.#command(data, at, out);
      case SECTION.vmDescription:
        return data.length - at < 5 ? 0 : this.#beginBody(out, 5, readU32(data, at + 1));
      case SECTION.eof:
        this.#eof = true;
        this.#finalPart();
        this.#begun();
        out.skeleton(1);
        out.flush();
        return 1;
      default:
        return this.#lost('unknown section type');
    }
  }

  /** The current section begins the final part, unless an earlier one did. */
  #finalPart(): void {
    this.#final = Math.min(this.#final, this.#offset);
  }

  /** Counts a section whose header is valid. */
  #begun(configuration = false): void {
    this.#sections += 1;
    this.#inConfiguration = configuration;
  }

  /** One item of CONFIGURATION. */
  #configure(data: Uint8Array, at: number, out: SegmentSink): number {
    const n = this.#configuration.walk(data, at, out);
    if (this.#configuration.lostBecause !== undefined) return this.#lost(this.#configuration.lostBecause);
    this.#ram.ignoreShared = this.#configuration.ignoreShared;
    this.#next = this.#configuration.amidCapabilities ? Next.capability : Next.section;
    return n;
  }

  #start(data: Uint8Array, at: number, out: SegmentSink): number {
    if (this.#ramSection !== undefined) return this.#lost('a second live section');
    if (data.length - at < 6) return 0;
    const name = readCounted(data, at + 5);
    if (name === undefined) return 0;
    if (name !== RAM_SECTION.name) return this.#lost('a live section other than ram');
    const length = 6 + name.length + 8;
    if (data.length - at < length) return 0;
    if (readU32(data, at + length - 4) !== RAM_SECTION.version)
      return this.#lost('ram section of an unknown version');
    this.#ramSection = readU32(data, at + 1);
    this.#begun();
    this.#next = Next.ram;
    out.skeleton(length);
    return length;
  }

  #part(data: Uint8Array, at: number, out: SegmentSink, last: boolean): number {
    if (this.#ramDone) return this.#lost('a section after the end of RAM');
    if (data.length - at < 5) return 0;
    if (readU32(data, at + 1) !== this.#ramSection) return this.#lost('part of a section other than ram');
    this.#begun();
    this.#lastPart = last;
    if (last) this.#finalPart();
    this.#next = Next.ram;
    out.skeleton(5);
    return 5;
  }

  #ramData(data: Uint8Array, at: number, out: SegmentSink): number {
    const stop = this.#ram.walk(data, at, out);
    if (this.#ram.ended) {
      this.#ramDone = this.#lastPart;
      this.#next = Next.footer;
    }
    if (this.#ram.lostBecause !== undefined) this.#lost(this.#ram.lostBecause);
    return stop - at;
  }

  /** The footer is optional: no section type is 0x7E. */
  #footer(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data[at] !== SECTION.footer) {
      this.#next = Next.section;
      return this.#section(data, at, out);
    }
    if (data.length - at < 5) return 0;
    if (readU32(data, at + 1) !== this.#ramSection) return this.#lost('footer of another section');
    this.#footers = true;
    this.#next = Next.section;
    out.skeleton(5);
    return 5;
  }

  #command(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data.length - at < 5) return 0;
    const command = readU16(data, at + 1);
    const length = readU16(data, at + 3);
    const meaning = meaningOf(command, length);
    if (meaning === undefined) return this.#lost('unknown command');
    if (meaning.postcopyAdvised === true) this.#ram.postcopyAdvised = true;
    this.#urgentBecause = meaning.urgentBecause;
    if (this.#urgentBecause !== undefined) this.#finalPart();
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

  #endBody(out: SegmentSink): void {
    out.flush();
    this.#next = Next.section;
    if (this.#urgentBecause !== undefined) this.#lost(this.#urgentBecause, true);
  }
}
