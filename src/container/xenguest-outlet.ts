// The sending side of method `xenguest`: chunk records inside ramferry's libxc records. All other bytes pass unchanged. The
// only exception is the mark in each image header.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../chunk/encode.js';
import { readChunkHeader } from '../chunk/record.js';
import { codecName } from '../codec/codec.js';
import { XENGUEST_RECORD } from '../grammar/xen/libxc-format.js';
import { TASK } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { OutgoingChunk, Outlet } from './outlet.js';
import type { StreamSums } from './sums.js';
import { markImageHeader, markRecord, type XenguestVersion } from './xenguest-mark.js';
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
  readonly compressesRest: boolean;
  readonly #envelope: Envelope;
  readonly #marks: boolean;
  readonly #followsEnd: boolean;
  /** Byte order of the last ramferry record. */
  #bigEndian = false;
  readonly #totals = new XenguestTotals();

  /**
   * @param version 1: writes no marks and leaves bytes of unknown structure uncompressed, for receivers of version 0.1
   * @param followsEnd whether the sender continues to read after the END of a bare stream
   */
  constructor(envelope: Envelope, version: XenguestVersion = 2, followsEnd = false) {
    this.#envelope = envelope;
    this.#marks = this.compressesRest = version > 1;
    this.#followsEnd = followsEnd;
  }

  room(chunkSize: number): number {
    return CHUNK_PREFIX_BYTES + recordCapacity(chunkSize);
  }

  head(): Buffer {
    return Buffer.alloc(0);
  }

  depart(slot: SlotViews): OutgoingChunk {
    if (slot.encode.verbatim) {
      const bytes = slot.input.subarray(0, slot.encode.inputLength);
      // The totals cover the original bytes, without the mark.
      this.#totals.verbatim(bytes);
      if (this.#marks && slot.encode.endsInImageHeader) markImageHeader(bytes);
      return { bytes, decodedLength: bytes.length };
    }
    const recordEnd = CHUNK_PREFIX_BYTES + slot.encode.outputLength;
    const record = slot.output.subarray(CHUNK_PREFIX_BYTES, recordEnd);
    this.#bigEndian = slot.encode.bigEndian;
    const type = slot.encode.unstructured ? XENGUEST_RECORD.bytes : XENGUEST_RECORD.chunk;
    const length = envelop(slot.output, record.length, this.#envelope, this.#bigEndian, type);
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
    this.#bigEndian = slot.encode.bigEndian;
    return this.#totals.record(this.#bigEndian, false);
  }

  mark(slot: SlotViews): Buffer {
    if (!this.#marks) return Buffer.alloc(0);
    const mark = { envelope: this.#envelope, followsEnd: this.#followsEnd };
    return markRecord(mark, slot.encode.bigEndian);
  }

  tail(complete: boolean): Buffer {
    return complete ? Buffer.alloc(0) : this.#totals.record(this.#bigEndian, true);
  }

  sums(): StreamSums {
    return this.#totals.sums();
  }
}
