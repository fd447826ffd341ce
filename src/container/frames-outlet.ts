// The sending side of method `stream`: an announcement, the standard frames that the workers encoded, and the totals.

import { Buffer } from 'node:buffer';

import type { CodecName } from '../codec/codec.js';
import { TASK } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import { announcementUnit, totalsUnit } from './frames/control.js';
import { unitBound } from './frames/bounds.js';
import type { FrameFormat } from './frames/record.js';
import { TotalsDigest } from './frames/totals.js';
import type { OutgoingChunk, Outlet } from './outlet.js';
import type { StreamSums } from './sums.js';

export class FramesOutlet implements Outlet {
  readonly task = TASK.frame;
  readonly prefix = 0;
  readonly regions = false;
  readonly #format: FrameFormat;
  readonly #maxChunk: number;
  readonly #digest = new TotalsDigest();

  /** @param codec also the name of the frame format: frame formats and codecs have the same names */
  constructor(codec: Exclude<CodecName, 'none'>, maxChunk: number) {
    this.#format = codec;
    this.#maxChunk = maxChunk;
  }

  room(chunkSize: number): number {
    return unitBound(this.#format, chunkSize);
  }

  head(): Buffer {
    return announcementUnit(this.#format, this.#maxChunk);
  }

  depart(slot: SlotViews): OutgoingChunk {
    const bytes = slot.output.subarray(0, slot.encode.outputLength);
    const decodedLength = slot.encode.inputLength;
    this.#digest.add({
      encodedLength: bytes.length,
      decodedLength,
      encodedHash: slot.encode.encodedHash,
      decodedHash: slot.encode.decodedHash,
    });
    const pages = Math.floor(decodedLength / 4096);
    const chunk = { codec: this.#format, zero: 0, literal: pages, duplicate: 0, same: 0, delta: 0 };
    return { bytes, decodedLength, chunk };
  }

  totals(): Buffer {
    return Buffer.alloc(0);
  }

  tail(): Buffer {
    return totalsUnit(this.#format, this.#digest.totals());
  }

  sums(): StreamSums {
    return this.#digest.sums();
  }
}
