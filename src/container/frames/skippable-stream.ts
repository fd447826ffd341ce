// Skips a skippable frame of zstd or LZ4 without holding it. Refuses a ramferry record: in a foreign stream it shows that the
// announcement at the stream's start was lost, and with it the requirement that totals follow.

import { RamferryError } from '../../errors.js';
import { Gather, type Cursor } from './cursor.js';
import type { FrameDecoder } from './frame-decoder.js';
import { MAGIC } from './limits.js';
import { RECORD_MAGIC, startsRecord } from './record.js';

export class SkippableFrameDecoder implements FrameDecoder {
  readonly verified = true;
  readonly #gather = new Gather();
  readonly #offset: number;
  readonly #hasRamferryMagic: boolean;
  #left: number | undefined;
  #startChecked = false;

  constructor(magic: number, offset: number) {
    this.#hasRamferryMagic = magic === MAGIC.ramferry;
    this.#offset = offset;
  }

  push(cursor: Cursor): Promise<boolean> {
    return Promise.resolve(this.#skip(cursor));
  }

  close(): void {
    // The decoder holds no native state.
  }

  #skip(cursor: Cursor): boolean {
    if (this.#left === undefined) {
      const size = this.#gather.take(cursor, 4);
      if (size === undefined) return false;
      this.#left = Buffer.from(size).readUInt32LE();
    }
    if (this.#hasRamferryMagic && !this.#startChecked && this.#left >= RECORD_MAGIC.length) {
      const start = this.#gather.take(cursor, RECORD_MAGIC.length);
      if (start === undefined) return false;
      if (startsRecord(start)) throw lostAnnouncement(this.#offset);
      this.#startChecked = true;
      this.#left -= RECORD_MAGIC.length;
    }
    const skipped = Math.min(this.#left, cursor.left);
    cursor.take(skipped);
    this.#left -= skipped;
    return this.#left === 0;
  }
}

/** The error for a ramferry record in a stream without an announcement. */
export function lostAnnouncement(offset: number): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', 'the announcement of the stream is missing or damaged', {
    offset,
    hint: 'A stream of ramferry must be received from its first byte, and alone.',
  });
}
