// Shared by the tests of method `stream`: inputs, a minimal sender and a minimal receiver.

import assert from 'node:assert/strict';

import { RamferryError, type ErrorCode } from '../../../src/errors.js';
import { announcementUnit, totalsUnit } from '../../../src/container/frames/control.js';
import { detectLayout } from '../../../src/container/frames/detect.js';
import { openUnits } from '../../../src/container/frames/open-units.js';
import type { FrameFormat } from '../../../src/container/frames/record.js';
import { FrameSplitter, type SplitterOptions } from '../../../src/container/frames/splitter.js';
import { StreamDecoder, type StreamDecoderOptions } from '../../../src/container/frames/stream-decoder.js';
import { TotalsDigest } from '../../../src/container/frames/totals.js';
import type { UnitCoder } from '../../../src/container/frames/unit.js';

export const FORMATS: readonly FrameFormat[] = ['zstd', 'lz4', 'zlib'];

const CODERS: Readonly<Record<FrameFormat, UnitCoder>> = {
  zstd: openUnits('zstd'),
  lz4: openUnits('lz4'),
  zlib: openUnits('zlib'),
};

export function coderOf(format: FrameFormat): UnitCoder {
  return CODERS[format];
}

/** Repeated words, random words and zeros: as compressible as memory. The same length gives the same bytes. */
export function memoryLike(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 12345;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const kind = (at >>> 12) & 3;
    if (kind === 1) bytes.writeUInt32LE(state >>> 26, at);
    if (kind === 2) bytes.writeUInt32LE(state, at);
    if (kind === 3) bytes.writeUInt32LE(at >>> 6, at);
  }
  return bytes;
}

/** Encodes a whole stream, as the sender does. */
export async function send(
  format: FrameFormat,
  input: Buffer,
  chunkSize: number,
  level = 1,
  maxDecoded = chunkSize,
): Promise<Buffer> {
  const coder = coderOf(format);
  const parts: Buffer[] = [announcementUnit(format, maxDecoded)];
  const digest = new TotalsDigest();
  for (let from = 0; from < input.length; from += chunkSize) {
    const src = input.subarray(from, from + chunkSize);
    const dst = Buffer.alloc(coder.bound(src.length));
    const unit = await coder.encode(dst, src, level);
    digest.add(unit);
    parts.push(dst.subarray(0, unit.encodedLength));
  }
  parts.push(totalsUnit(format, digest.totals()));
  return Buffer.concat(parts);
}

export interface Received {
  readonly decoded: Buffer;
  /** How each part of the stream was read. */
  readonly kinds: readonly string[];
}

/** Decodes a whole stream, as the receiver does: detects, splits, decodes, verifies. */
export async function receive(
  stream: Buffer,
  options: SplitterOptions & StreamDecoderOptions = {},
): Promise<Received> {
  const layout = detectLayout(stream, true);
  assert.ok(layout !== undefined, 'a whole stream is enough to decide');
  if (layout.layout === 'none') throw new RamferryError('ERR_STREAM_MAGIC', 'not frames');
  if (layout.layout === 'stream') return { decoded: await decodeForeign(stream, options), kinds: ['stream'] };
  const splitter = new FrameSplitter(layout, options);
  const coder = coderOf(layout.format);
  const digest = new TotalsDigest();
  const parts: Buffer[] = [];
  const kinds: string[] = [];
  for (;;) {
    const unit = splitter.next(stream.subarray(splitter.offset));
    if (unit === undefined) break;
    kinds.push(unit.kind);
    if (unit.kind === 'rest') {
      parts.push(await decodeForeign(stream.subarray(unit.offset), { ...options, offset: unit.offset }));
      break;
    }
    if (unit.offset + unit.length > stream.length) break;
    if (unit.kind === 'totals') digest.verify(unit.totals);
    if (unit.kind !== 'chunk') continue;
    const dst = Buffer.alloc(unit.decodedBound);
    const bytes = stream.subarray(unit.offset, unit.offset + unit.length);
    const result = await coder.decode(dst, bytes, unit.offset);
    digest.add(result);
    parts.push(dst.subarray(0, result.decodedLength));
  }
  splitter.end(stream.length);
  return { decoded: Buffer.concat(parts), kinds };
}

/** Decodes with the streaming decoder, in pieces of `step` bytes. */
export async function decodeForeign(
  stream: Buffer,
  options: StreamDecoderOptions & { readonly step?: number } = {},
): Promise<Buffer> {
  const decoder = new StreamDecoder(options);
  const step = options.step ?? 65536;
  const parts: Buffer[] = [];
  const emit = (bytes: Uint8Array): void => void parts.push(Buffer.from(bytes));
  try {
    for (let from = 0; from < stream.length; from += step) {
      await decoder.push(stream.subarray(from, from + step), emit);
    }
    decoder.end();
  } finally {
    decoder.close();
  }
  return Buffer.concat(parts);
}

/** Expects a RamferryError with one of these codes. */
export async function rejectsWith(
  run: () => Promise<unknown>,
  ...codes: ErrorCode[]
): Promise<RamferryError> {
  const thrown: unknown = await run().then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof RamferryError, `expected ${codes.join(' or ')}, got ${String(thrown)}`);
  assert.ok(
    codes.includes(thrown.code),
    `expected ${codes.join(' or ')}, got ${thrown.code}: ${thrown.message}`,
  );
  return thrown;
}

/**
 * Builds a zstd frame with a few bytes for each 128 KiB of zeros.
 * @param claim content size in the header, and so the window; absent = a window of 1 MiB and no size
 */
export function zstdZeros(blocks: number, claim?: number): Buffer {
  const header = Buffer.alloc(claim === undefined ? 6 : 9);
  header.writeUInt32LE(0xfd2fb528);
  header.set(claim === undefined ? [0x00, 0x50] : [0xa0], 4);
  if (claim !== undefined) header.writeUInt32LE(claim, 5);
  const body = Buffer.alloc(blocks * 4);
  for (let i = 0; i < blocks; i += 1)
    body.writeUIntLE((131072 << 3) | 2 | (i === blocks - 1 ? 1 : 0), i * 4, 3);
  return Buffer.concat([header, body]);
}
