// The tail of a Xen stream. A sender whose input was truncated writes totals there. The tail holds bytes back while they can be
// the start of such totals, and stores the last bytes to recognise totals that were damaged on the link.
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
  readonly #sharedSource: boolean;
  /** Bytes that may be the start of the totals of a truncated stream. */
  #held = NOTHING;
  /** The last TOTALS_RECORD_BYTES bytes before the current offset, passed or held. */
  #last = NOTHING;

  /** @param sharedSource the source continues after the stream, so a truncated stream cannot occur */
  constructor(sharedSource: boolean) {
    this.#sharedSource = sharedSource;
  }

  /** Whether bytes are held back. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** Whether the last bytes are totals with an error. */
  get damaged(): boolean {
    return isDamagedTotals(this.#last);
  }

  /** @returns the bytes that may pass now: earlier held bytes, and the part of `bytes` that is not held back */
  take(bytes: Buffer): Buffer {
    const all = this.holds ? Buffer.concat([this.#held, bytes]) : bytes;
    const from = this.#sharedSource ? all.length : cutMayBeginAt(all);
    this.#held = Buffer.from(all.subarray(from));
    this.#last = Buffer.concat([this.#last, bytes.subarray(-TOTALS_RECORD_BYTES)]).subarray(
      -TOTALS_RECORD_BYTES,
    );
    return all.subarray(0, from);
  }

  /** Called when other bytes follow, so that the held bytes are not totals. @returns the held bytes */
  release(): Buffer {
    const held = this.#held;
    this.#held = this.#last = NOTHING;
    return held;
  }

  /** Called at the end of the input. @returns the body of the truncated stream's totals, if the held bytes are totals */
  takeCut(): Buffer | undefined {
    return isCutRecord(this.#held) ? this.release().subarray(LIBXC_HEADER_BYTES) : undefined;
  }
}
