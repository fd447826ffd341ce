// What the codec gets: the bodies of a transfer's chunks, after pages that are zero, equal or sent before have been taken out.

import { Buffer } from 'node:buffer';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { CHUNK_HEADER_BYTES, CHUNK_OVERHEAD, readChunkHeader, RECORD } from '../../src/chunk/record.js';
import { CODEC_ID } from '../../src/codec/codec.js';
import { openZstd } from '../../src/codec/registry.js';
import { readStreamHeader, STREAM_HEADER_BYTES } from '../../src/container/native.js';
import { send } from '../../src/index.js';

/**
 * Sends the file with `send` and takes the records apart.
 * @param count at most so many bodies, at equal distances; those below `least` bytes are left out
 */
export async function chunkBodies(
  input: string,
  scratch: string,
  count: number,
  least: number,
): Promise<Uint8Array[]> {
  const output = join(scratch, 'bodies.rfy');
  await send({ input, output, force: true, codec: 'zstd', compressLevel: 1, sync: false });
  const stream = readFileSync(output);
  rmSync(output);
  const { maxChunk, storeBytes } = readStreamHeader(stream);
  const codec = openZstd();
  const bodies: Uint8Array[] = [];
  for (let at = STREAM_HEADER_BYTES; stream.readUInt32LE(at) === RECORD.chunk;) {
    const header = readChunkHeader(stream, at, maxChunk, storeBytes > 0);
    const from = at + CHUNK_HEADER_BYTES;
    const encoded = stream.subarray(from, from + header.bodyLength);
    at += CHUNK_OVERHEAD + header.bodyLength;
    if (header.plainLength < least) continue;
    const body = Buffer.from(new SharedArrayBuffer(header.plainLength));
    if (header.codec === CODEC_ID.none) encoded.copy(body);
    else await codec.decompress(body, encoded);
    bodies.push(body);
  }
  codec.close();
  const step = Math.max(1, bodies.length / count);
  return Array.from(
    { length: Math.min(count, bodies.length) },
    (_, index) => bodies[Math.floor(index * step)]!,
  );
}
