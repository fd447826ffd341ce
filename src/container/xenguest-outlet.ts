// The sending side of method `xenguest`: chunk records in libxc records of our own, everything else untouched.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../chunk/encode.js';
import { readChunkHeader } from '../chunk/record.js';
import { codecName } from '../codec/codec.js';
import { HOLDS, JOB, TASK } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { Departure, Outlet } from './outlet.js';
import type { StreamSums } from './sums.js';
import {
  CHUNK_PREFIX_BYTES,
  envelop,
  type Envelope,
  LIBXC_HEADER_BYTES,
  XenguestTotals,
} from './xenguest.js';

export class XenguestOutlet implements Outlet {
  readonly task = TASK.encode;
  readonly prefix = CHUNK_PREFIX_BYTES;
  readonly regions = true;
  readonly #envelope: Envelope;
  /** Byte order of the last record of ours. */
  #bigEndian = false;
  readonly #totals = new XenguestTotals();

  constructor(envelope: Envelope) {
    this.#envelope = envelope;
  }

  room(chunkSize: number): number {
    return CHUNK_PREFIX_BYTES + recordCapacity(chunkSize);
  }

  head(): Buffer {
    return Buffer.alloc(0);
  }

  depart(slot: SlotViews): Departure {
    if (slot.ints[JOB.holds] === HOLDS.verbatim) {
      const bytes = slot.input.subarray(0, slot.ints[JOB.inputLength]);
      this.#totals.verbatim(bytes);
      return { bytes, decodedLength: bytes.length };
    }
    const recordEnd = CHUNK_PREFIX_BYTES + slot.ints[JOB.outputLength]!;
    const record = slot.output.subarray(CHUNK_PREFIX_BYTES, recordEnd);
    this.#bigEndian = slot.ints[JOB.bigEndian] === 1;
    const length = envelop(slot.output, record.length, this.#envelope, this.#bigEndian);
    const header = readChunkHeader(record, 0, this.#envelope.maxChunk, this.#envelope.storeBytes > 0);
    this.#totals.chunk(header, slot.output.subarray(LIBXC_HEADER_BYTES, CHUNK_PREFIX_BYTES), record);
    const { decodedLength, zero, literal, duplicate, same, delta } = header;
    return {
      bytes: slot.output.subarray(0, length),
      decodedLength,
      chunk: { codec: codecName(header.codec)!, zero, literal, duplicate, same, delta },
    };
  }

  totals(slot: SlotViews): Buffer {
    this.#bigEndian = slot.ints[JOB.bigEndian] === 1;
    return this.#totals.record(this.#bigEndian, false);
  }

  tail(complete: boolean): Buffer {
    return complete ? Buffer.alloc(0) : this.#totals.record(this.#bigEndian, true);
  }

  sums(): StreamSums {
    return this.#totals.sums();
  }
}
