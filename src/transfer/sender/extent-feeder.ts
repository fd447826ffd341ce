// `feedExtents`: cuts a regular file of pages into extents and pushes each as a chunk. The workers read the extents themselves, so no
// contents pass through the main thread. An extent that lies wholly in a hole is marked, and no worker reads it.
// It waits for free slots (back-pressure) and does not depend on the output.

import { SEGMENT } from '../../chunk/segments.js';
import type { PositionedInput } from '../../io/bytes.js';
import { openHoles } from '../../io/file/holes.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { OrderedPool } from '../../pool/ordered-pool.js';
import type { ChunkTaker } from './feeder.js';

/** @param start bytes at the file's start that the receiver has already */
export async function feedExtents(
  file: PositionedInput,
  pool: OrderedPool,
  chunkSize: number,
  taker: ChunkTaker,
  start = 0,
): Promise<void> {
  const holes = openHoles(file);
  for (let offset = start; offset < file.size; offset += chunkSize) {
    const index = await pool.acquire();
    const { encode, segments } = pool.slots[index]!;
    const length = Math.min(chunkSize, file.size - offset);
    const pages = Math.floor(length / PAGE_BYTES);
    const tail = length - pages * PAGE_BYTES;
    let entries = 0;
    for (const [kind, count] of [
      [SEGMENT.pages, pages],
      [SEGMENT.skeleton, tail],
    ] as const) {
      if (count === 0) continue;
      segments[entries * 2] = kind;
      segments[entries * 2 + 1] = count;
      entries++;
    }
    encode.begin();
    encode.inputLength = length;
    encode.inHole = tail === 0 && holes?.cover(offset, length) === true;
    encode.offset = offset;
    encode.readAt = offset;
    const cut = { length, segments: entries, pageData: true, totals: false };
    await taker.take(index, cut);
  }
}
