// The grammar of QEMU's migration stream (format.ts). A page's identity is (number of its RAM block) * 2^36 + address / 4096.
// Device state has no length fields, so all bytes behind the last ram section are skeleton. At an unknown item before that the
// stream is opaque until the walk finds its way back (recovery.ts); a switch to postcopy makes the rest opaque for good.
// opaqueBecause says why.

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
import { isFull } from '../room.js';
import { readU32 } from './fields.js';
import { FILE_VERSION } from './format.js';
import { Recovery, RECOVERY_BYTES } from './recovery.js';
import { type Lost, SectionWalk } from './sections.js';
import { QemuTail } from './tail.js';

/** How often a walk that has ended goes on again: more than a migration has rounds, few enough to bound the time for a forged stream. */
const MAX_RECOVERIES = 65_536;

export class QemuGrammar implements Grammar {
  readonly name = 'qemu';
  readonly state: ScanEnd = 'open';
  #offset: number;
  readonly #recoveryBytes: number;
  #magicSeen = false;
  readonly #sections = new SectionWalk();
  #tail: OpaqueTail | undefined;
  /** Set when the walk has ended for good: how the rest is to be reported. */
  #rest: TailOptions | undefined;
  /** Set while the walk looks for its way back. */
  #recovery: Recovery | undefined;
  #recoveries = 0;
  #because: string | undefined;
  /** Device state behind this many parts of RAM: a reason for an opaque stream only where RAM goes on behind it. */
  #snapshot: { readonly because: string; readonly ramParts: number } | undefined;
  /** The bytes behind the last ram section. */
  #deviceState: QemuTail | undefined;
  /** The input has ended within an item. */
  #brokeOff = false;
  /** Set while the walk has ended where the end of the stream cannot be recognised. */
  #endUnseenBecause: string | undefined;
  /** Offset of RAM's END section, of the switch to postcopy, or of EOF in a stream without RAM. */
  #final = Infinity;

  /**
   * @param offset bytes of the file before the stream (libvirt's header): opaque blocks are aligned to the file
   * @param recoveryBytes how far the walk looks for its way back
   */
  constructor(offset = 0, recoveryBytes = RECOVERY_BYTES) {
    this.#offset = offset;
    this.#recoveryBytes = recoveryBytes;
  }

  get opaqueBecause(): string | undefined {
    return this.#because ?? (this.#isSnapshot ? undefined : this.#snapshot?.because);
  }

  get hint(): string | undefined {
    return this.#sections.ram.hint;
  }

  /** Only device state has followed since RAM: a background snapshot, or a walk that has not found its way back. */
  get #isSnapshot(): boolean {
    return this.#snapshot?.ramParts === this.#sections.ramParts && this.#recovery === undefined;
  }

  /** After the last ram section: device state, while the guest is paused. */
  get downtime(): boolean {
    return this.#rest?.skeleton === true;
  }

  /** Undefined, too, once a part of the stream was opaque: what passed there is not known. */
  get finalFrom(): number | undefined {
    const opaque = this.#wasOpaque || (this.#rest !== undefined && this.#final === Infinity);
    return opaque ? undefined : this.#final;
  }

  get #wasOpaque(): boolean {
    return this.#recoveries > 0 || this.#recovery !== undefined;
  }

  get ramLeft(): number | undefined {
    return this.#rest === undefined && !this.#wasOpaque ? this.#sections.ram.left : undefined;
  }

  get mayGoOn(): boolean {
    return this.#rest?.urgent === true;
  }

  get passable(): number {
    return this.#rest === undefined && this.#recovery === undefined ? this.#sections.passable : 0;
  }

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    let at = 0;
    while (this.#rest === undefined && at < data.length && !isFull(out)) {
      const recovery = this.#recovery;
      const n = recovery === undefined ? this.#step(data, at, out) : this.#recover(data, at, atEnd, out);
      at += n;
      this.#offset += n;
      // Without a byte the loop goes on only where the walk has ended, or has found its way back.
      if (n === 0 && this.#recovery === recovery) break;
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
    const end = this.#walkedEnd();
    // Where a part was opaque, a complete stream must not pass for a broken one.
    return end.state === 'incomplete' && this.#wasOpaque ? unseen(end.because) : end;
  }

  #walkedEnd(): StreamEnd {
    const { eof, ramDone, betweenSections } = this.#sections;
    if (this.#endUnseenBecause !== undefined) return unseen(this.#endUnseenBecause);
    if (eof && this.#deviceState !== undefined) return unseen('bytes follow its end');
    if (this.#deviceState !== undefined) return this.#deviceState.end();
    const complete = eof && betweenSections && !this.#brokeOff && this.#rest === undefined;
    if (complete && (ramDone || this.#isSnapshot)) return SEEN;
    return incomplete(ramDone ? 'it breaks off after RAM' : 'it breaks off before the end of RAM');
  }

  /** Consumes one or more items. @returns their bytes; 0 where the item is not complete, or the walk has ended before it */
  #step(data: Uint8Array, at: number, out: SegmentSink): number {
    if (!this.#magicSeen) return this.#magic(data, at, out);
    const sections = this.#sections;
    const n = sections.step(data, at, out);
    if (sections.finalBegun) this.#final = Math.min(this.#final, this.#offset);
    if (sections.lost !== undefined) this.#lost(sections.lost, this.#offset + n);
    return n;
  }

  #magic(data: Uint8Array, at: number, out: SegmentSink): number {
    const length = QEMU_MAGIC.length + 4;
    if (data.length - at < length) return 0;
    if (!QEMU_MAGIC.every((byte, i) => data[at + i] === byte)) return this.#giveUp('no QEMU magic');
    const version = readU32(data, at + QEMU_MAGIC.length);
    if (version !== FILE_VERSION) return this.#giveUp(`QEMU stream version ${version}`);
    this.#magicSeen = true;
    out.skeleton(length);
    return length;
  }

  /** The bytes behind the reported ones are opaque to the end of the stream. */
  #giveUp(because: string): 0 {
    this.#because ??= because;
    this.#endUnseenBecause = because;
    this.#rest = {};
    return 0;
  }

  /** The walk has ended. @param offset of the first byte that it has not reported */
  #lost({ because, urgent = false, section, snapshot }: Lost, offset: number): void {
    const { ramDone, eof, ramParts, ramStarted, footers } = this.#sections;
    // Behind the end of RAM, or of the stream, no page follows: this is the normal end of a walk.
    if (ramDone || eof || urgent) {
      const over = ramDone || eof;
      if (!over) this.#because ??= because;
      this.#rest = { skeleton: over, urgent };
      this.#endUnseenBecause = over && !urgent ? undefined : because;
      if (ramDone && !urgent) this.#deviceState = new QemuTail(footers);
      return;
    }
    if (snapshot === true) this.#snapshot ??= { because, ramParts };
    else this.#because ??= because;
    this.#endUnseenBecause = because;
    if (this.#recoveries === MAX_RECOVERIES) {
      this.#rest = {};
      return;
    }
    const isLive = (id: number): boolean => this.#sections.isLive(id);
    const rules = { section, isLive, skeleton: snapshot === true, ramStart: !ramStarted };
    this.#recovery = new Recovery(offset, rules, this.#recoveryBytes);
  }

  #recover(data: Uint8Array, at: number, atEnd: boolean, out: SegmentSink): number {
    const recovery = this.#recovery!;
    const n = recovery.scan(data.subarray(at), atEnd, out);
    if (!recovery.found && !recovery.gaveUp) return n;
    this.#recovery = undefined;
    this.#recoveries += 1;
    if (recovery.found && this.#sections.resume(recovery.footer)) this.#endUnseenBecause = undefined;
    else this.#rest = {};
    return n;
  }
}
