// Chunks of an image for the suites that work in memory: from all over the image, zero pages included.

import { Buffer } from 'node:buffer';
import { closeSync, openSync, readSync, statSync } from 'node:fs';

export const SAMPLE_CHUNK = 1024 * 1024;

/** @returns `count` chunks of 1 MiB at equal distances, in shared memory, with `headroom` bytes in front of each */
export function sampleChunks(image: string, count: number, headroom = 0): Buffer[] {
  const chunks = Math.floor(statSync(image).size / SAMPLE_CHUNK);
  const step = Math.max(1, Math.floor(chunks / count));
  const fd = openSync(image, 'r');
  try {
    return Array.from({ length: Math.min(count, chunks) }, (_, index) => {
      const memory = Buffer.from(new SharedArrayBuffer(headroom + SAMPLE_CHUNK));
      readSync(fd, memory, headroom, SAMPLE_CHUNK, index * step * SAMPLE_CHUNK);
      return memory;
    });
  } finally {
    closeSync(fd);
  }
}
