// Finds the end of a QEMU stream in its tail behind RAM: device state without lengths, EOF, and, unless the machine suppresses
// it, the description: VMDESCRIPTION, u32 length, ASCII JSON (qemu_savevm_state_complete_precopy in savevm.c).
// Takes the bytes in any split, remembers the last few, and judges them at the end of the input.

import { incomplete, SEEN, type StreamEnd, unseen } from '../grammar.js';
import { readU32 } from './fields.js';
import { MAX_SECTION_ID, SECTION } from './format.js';

/** EOF, VMDESCRIPTION, u32 length. */
const HEAD_BYTES = 6;
/** A section's footer and EOF. */
const LAST_BYTES = 6;

/** The shortest text that begins with a brace. A shorter one would end before its first byte was taken, and be found there again. */
const LEAST_TEXT_BYTES = 2;

/** JSON's delimiters. */
const BRACE = { open: 0x7b, close: 0x7d } as const;
const BRACKET = { open: 0x5b, close: 0x5d } as const;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class QemuTail {
  readonly #footers: boolean;
  /** The last bytes before the current position. */
  readonly #last = new Uint8Array(LAST_BYTES);
  #description: Description | undefined;
  #exceeded = false;

  /** @param footers the machine writes a footer after each section */
  constructor(footers: boolean) {
    this.#footers = footers;
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#description === undefined) at = this.#search(bytes, at);
      else if (this.#description.done) {
        this.#exceeded = true;
        this.#description = undefined;
      } else {
        at = this.#description.take(bytes, at);
        if (this.#description.wrong) this.#description = undefined;
      }
    }
    const kept = Math.max(0, LAST_BYTES - bytes.length);
    this.#last.copyWithin(0, LAST_BYTES - kept);
    this.#last.set(bytes.subarray(Math.max(0, bytes.length - LAST_BYTES)), kept);
  }

  /**
   * Valid once all bytes were taken. `seen`: EOF, and a description whose length ends at the last byte. EOF alone may also be a
   * zero byte of a device: where the machine writes footers, a footer must precede it.
   */
  end(): StreamEnd {
    if (this.#description?.done === true) return SEEN;
    if (this.#exceeded) return unseen('bytes follow its end');
    const last = this.#last;
    const eof = this.#description === undefined && last[LAST_BYTES - 1] === SECTION.eof;
    const footer = last[0] === SECTION.footer && readU32(last, 1) <= MAX_SECTION_ID;
    if (!eof || (this.#footers && !footer))
      return incomplete('it breaks off within the state of the devices');
    return unseen('it has no description of the devices, so its end cannot be told from a zero byte');
  }

  /** Looks for the first byte of a description's text, then checks the bytes before it. */
  #search(bytes: Uint8Array, from: number): number {
    const at = bytes.indexOf(BRACE.open, from);
    if (at < 0) return bytes.length;
    const head = new Uint8Array(HEAD_BYTES);
    for (let i = 0; i < HEAD_BYTES; i++) {
      const place = at - HEAD_BYTES + i;
      head[i] = place < 0 ? this.#last[LAST_BYTES + place]! : bytes[place]!;
    }
    const length = readU32(head, 2);
    if (head[0] === SECTION.eof && head[1] === SECTION.vmDescription && length >= LEAST_TEXT_BYTES) {
      this.#description = new Description(length);
      return at;
    }
    return at + 1;
  }
}

/** JSON text of a given length: braces and brackets must close with its last byte. */
class Description {
  wrong = false;
  #left: number;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(length: number) {
    this.#left = length;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  /** @returns where it stopped: behind its last byte, at the end of `bytes`, or at the first wrong byte */
  take(bytes: Uint8Array, from: number): number {
    const end = Math.min(bytes.length, from + this.#left);
    let at = from;
    while (at < end && this.#accepts(bytes[at]!, this.#left - (at - from) === 1)) at++;
    this.wrong ||= at < end;
    this.#left -= at - from;
    return at;
  }

  #accepts(byte: number, last: boolean): boolean {
    // QEMU's JSON writer emits ASCII without control characters.
    if (byte < 0x20 || byte > 0x7e) return false;
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
    } else if (byte === QUOTE) this.#inString = true;
    else if (byte === BRACE.open || byte === BRACKET.open) this.#depth += 1;
    else if (byte === BRACE.close || byte === BRACKET.close) this.#depth -= 1;
    return (this.#depth === 0) === last;
  }
}
