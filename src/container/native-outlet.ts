// The sending side of the native container: the stream header, the chunk records that the workers encoded, and the END record.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../chunk/encode.js';
import { readChunkHeader } from '../chunk/record.js';
import { codecName } from '../codec/codec.js';
import type { Beginning } from '../io/bytes.js';
import { TASK } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import { type StreamHeader, Totals, writeStreamHeader } from './native.js';
import type { OutgoingChunk, Outlet } from './outlet.js';
import type { StreamSums } from './sums.js';

export class NativeOutlet implements Outlet {
  readonly task = TASK.encode;
  readonly prefix = 0;
  readonly regions = false;
  readonly #header: StreamHeader;
  readonly #totals: Totals;

  /** @param before what the receiver has already; `header.start` bytes */
  constructor(header: StreamHeader, before?: Beginning) {
    this.#header = header;
    this.#totals = new Totals(before);
  }

  room(chunkSize: number): number {
    return recordCapacity(chunkSize);
  }

  head(): Buffer {
    return writeStreamHeader(this.#header);
  }

  depart(slot: SlotViews): OutgoingChunk {
    const bytes = slot.output.subarray(0, slot.encode.outputLength);
    const header = readChunkHeader(bytes, 0, this.#header.maxChunk, this.#header.storeBytes > 0);
    this.#totals.add(header, bytes.length, bytes.readBigUInt64LE(bytes.length - 8));
    const { decodedLength, zero, literal, duplicate, same, delta } = header;
    const codec = codecName(header.codec)!;
    return { bytes, decodedLength, chunk: { codec, zero, literal, duplicate, same, delta } };
  }

  totals(): Buffer {
    return Buffer.alloc(0);
  }

  tail(): Buffer {
    return this.#totals.record();
  }

  sums(): StreamSums {
    return this.#totals.sums();
  }
}
