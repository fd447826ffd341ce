// The tail of a Xen stream. A sender whose input broke off writes totals there. The tail holds bytes back while they can be
// the beginning of such totals, and remembers the last bytes to recognise totals that were damaged on the way.
// Returns the bytes that may pass; does no I/O.

import { Buffer } from 'node:buffer';

import {
  cutMayBeginAt,
  isCutRecord,
  isDamagedTotals,
  LIBXC_HEADER_BYTES,
  TOTALS_RECORD_BYTES,
} from '../xenguest.js';

const NOTHING = Buffer.alloc(0);

export class XenTail {
  readonly #endless: boolean;
  /** Bytes that may turn out to be the beginning of the totals of a stream that broke off. */
  #held = NOTHING;
  /** The last bytes before the place at hand, passed or held, as many as totals have. */
  #last = NOTHING;

  /** @param endless the input does not end behind the stream, so none can have broken off */
  constructor(endless: boolean) {
    this.#endless = endless;
  }

  /** Whether bytes are held back. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** Whether the last bytes are totals with an error in them. */
  get damaged(): boolean {
    return isDamagedTotals(this.#last);
  }

  /** @returns what may pass now: bytes held back before, and those of `bytes` that are not held back */
  take(bytes: Buffer): Buffer {
    const all = this.holds ? Buffer.concat([this.#held, bytes]) : bytes;
    const from = this.#endless ? all.length : cutMayBeginAt(all);
    this.#held = Buffer.from(all.subarray(from));
    this.#last = Buffer.concat([this.#last, bytes.subarray(-TOTALS_RECORD_BYTES)]).subarray(
      -TOTALS_RECORD_BYTES,
    );
    return all.subarray(0, from);
  }

  /** Other bytes follow, so the held bytes are no totals. @returns the held bytes */
  release(): Buffer {
    const held = this.#held;
    this.#held = this.#last = NOTHING;
    return held;
  }

  /** At the end of the input. @returns the body of the totals of a stream that broke off, if they are what is held */
  takeCut(): Buffer | undefined {
    return isCutRecord(this.#held) ? this.release().subarray(LIBXC_HEADER_BYTES) : undefined;
  }
}
