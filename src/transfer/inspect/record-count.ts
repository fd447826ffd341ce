// Counts chunk records and their pages by the records' headers, for the native container and for method `xenguest`.

import type { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed } from '../../chunk/checksum.js';
import type { ChunkHeader } from '../../chunk/record.js';
import { codecName } from '../../codec/codec.js';
import { RamferryError } from '../../errors.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { PageCounts } from '../statistics/counts.js';
import { ChunkCount } from './report.js';

export class RecordCount extends ChunkCount {
  readonly pages: PageCounts = { zero: 0, literal: 0, duplicate: 0, same: 0, delta: 0 };
  skeletonBytes = 0;

  /** @param length bytes of the chunk record */
  addRecord(chunk: ChunkHeader, length: number): void {
    this.add(codecName(chunk.codec)!, chunk.decodedLength, length);
    for (const kind of Object.keys(this.pages) as (keyof PageCounts)[]) this.pages[kind] += chunk[kind];
    this.skeletonBytes += chunk.plainLength - chunk.literal * PAGE_BYTES;
  }
}

/** @throws ERR_STREAM_CHECKSUM when the chunk record does not match its checksum */
export function checkSeal(record: Buffer, { sequence }: ChunkHeader): void {
  if (rangeIsSealed(record, 0, record.length - CHECKSUM_BYTES)) return;
  throw new RamferryError('ERR_STREAM_CHECKSUM', 'a chunk record does not match its checksum', { sequence });
}
