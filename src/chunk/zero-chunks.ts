// Records of chunks that hold only zero pages, without reading their bytes. Such a chunk is encoded once as any other. The record
// of a later one of the same length differs only in its place in the stream. All records are the bytes that encodeChunk() writes.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';
import { PAGE_BYTES } from '../page/size.js';
import { zeroBytes } from '../page/zero.js';
import { CHECKSUM_BYTES, sealRange } from './checksum.js';
import { type ChunkPlace, type Encoded, encodeChunk } from './encode.js';
import { OPERATIONS_CAPACITY, type Planner } from './plan.js';
import { CHUNK_HEADER_BYTES, type ChunkHeader, writeChunkHeader } from './record.js';
import { SEGMENT } from './segments.js';

export class ZeroChunks {
  readonly #planner: Planner;
  #last: { readonly header: ChunkHeader; readonly body: Buffer } | undefined;

  constructor(planner: Planner) {
    this.#planner = planner;
  }

  /**
   * Writes the record to out[at, …), as encodeChunk does for `length` zero bytes in one segment of pages. The codec has no
   * influence: the body is one operation, which is too short for a codec.
   * @param length a multiple of a page
   * @param scratch laid out as PlanInput.front; its contents are lost
   */
  async encode(
    length: number,
    place: ChunkPlace,
    scratch: Buffer,
    out: Buffer,
    at: number,
  ): Promise<Encoded> {
    if (this.#last?.header.decodedLength !== length)
      return await this.#first(length, place, scratch, out, at);
    const { header, body } = this.#last;
    const placed = { ...header, ...place };
    writeChunkHeader(out, at, placed);
    const from = at + CHUNK_HEADER_BYTES;
    const end = from + body.length;
    copyBytes(out, from, body, 0, body.length);
    sealRange(out, at, end);
    return { header: placed, store: undefined, length: end + CHECKSUM_BYTES - at };
  }

  async #first(
    length: number,
    place: ChunkPlace,
    scratch: Buffer,
    out: Buffer,
    at: number,
  ): Promise<Encoded> {
    zeroBytes(scratch, OPERATIONS_CAPACITY, OPERATIONS_CAPACITY + length);
    const encoded = await encodeChunk(
      this.#planner,
      {
        front: scratch,
        length,
        segments: Int32Array.of(SEGMENT.pages, length / PAGE_BYTES),
        segmentCount: 1,
      },
      { place, coding: { codec: undefined, level: 0 } },
      out,
      at,
    );
    const { header } = encoded;
    const from = at + CHUNK_HEADER_BYTES;
    this.#last = { header, body: Buffer.from(out.subarray(from, from + header.bodyLength)) };
    return encoded;
  }
}
