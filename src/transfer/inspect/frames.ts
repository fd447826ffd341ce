// Walks method `stream`: ramferry frames by their stated lengths, foreign frames by their headers. Decodes only foreign gzip,
// whose members do not state their length.

import { detectLayout, type FrameLayout } from '../../container/frames/detect.js';
import { MAX_UNIT_HEAD } from '../../container/frames/limits.js';
import { type FrameOutline, outlineFrames } from '../../container/frames/outline.js';
import { FrameSplitter } from '../../container/frames/splitter.js';
import { compareTotals } from '../../container/frames/totals.js';
import { RamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';
import { LookaheadBuffer } from '../../io/lookahead-buffer.js';
import { ChunkCount, type ForeignReport, type FrameFigures, type UnitsReport } from './report.js';

type Units = Extract<FrameLayout, { layout: 'units' }>;

/**
 * @param head bytes of the source that were read already
 * @throws the error of `receive` for the same damage, if the damage shows without decoding
 */
export async function inspectFrames(
  source: ByteSource,
  head: Uint8Array,
): Promise<UnitsReport | ForeignReport> {
  const window = new LookaheadBuffer({ source, head, ioTimeout: 0 });
  let layout = detectLayout(window.bytes, window.atEnd);
  while (layout === undefined) {
    await window.more();
    layout = detectLayout(window.bytes, window.atEnd);
  }
  if (layout.layout === 'units' && layout.announced) return units(window, layout);
  return foreign(source, window, layout.layout === 'units');
}

/** Walks a ramferry stream. Compares the counts in the totals, but not the digest, which covers decoded bytes. */
async function units(window: LookaheadBuffer, layout: Units): Promise<UnitsReport> {
  const splitter = new FrameSplitter(layout);
  const count = new ChunkCount();
  let decodedBytes = 0;
  let maxChunk = 0;
  let scratch = Buffer.alloc(65_536);
  for (;;) {
    const unit = splitter.next(window.bytes.subarray(0, MAX_UNIT_HEAD));
    if (unit === undefined) {
      if (window.atEnd) break;
      await window.more();
      continue;
    }
    if (unit.kind === 'rest')
      throw new RamferryError('ERR_STREAM_FORMAT', 'a frame of the stream is damaged', unit);
    if (unit.kind === 'announcement') maxChunk = unit.maxDecoded;
    if (unit.kind === 'totals')
      compareTotals({ chunks: count.chunks, decodedBytes }, unit.totals, unit.offset);
    if (unit.kind === 'chunk') {
      const decoded = unit.decodedLength!;
      decodedBytes += decoded;
      // A chunk that does not shrink is stored, and its frame is longer than its contents.
      count.add(unit.length > decoded ? 'none' : layout.format, decoded, unit.length);
    }
    if (unit.length > scratch.length) scratch = Buffer.alloc(unit.length);
    await window.move(scratch.subarray(0, unit.length));
  }
  splitter.end(window.offset + window.bytes.length);
  const format = layout.format === 'zlib' ? 'gzip' : layout.format;
  return {
    container: 'frames',
    format,
    maxChunk,
    decodedBytes,
    streamBytes: window.offset,
    ...count.figures,
  };
}

async function foreign(source: ByteSource, window: LookaheadBuffer, pzstd: boolean): Promise<ForeignReport> {
  const frames: Partial<Record<FrameOutline['format'], FrameFigures>> = {};
  let decodedBytes: number | undefined = 0;
  let streamBytes = 0;
  await outlineFrames(source, window.bytes, (frame) => {
    streamBytes += frame.length;
    decodedBytes = plus(decodedBytes, frame.decoded);
    const figures = (frames[frame.format] ??= {
      frames: 0,
      encoded: 0,
      decoded: 0,
      checksums: 0,
      window: 0,
      compressedBlocks: 0,
      storedBlocks: 0,
    });
    figures.frames++;
    figures.encoded += frame.length;
    figures.decoded = plus(figures.decoded, frame.decoded);
    figures.checksums += frame.checksum ? 1 : 0;
    figures.window = Math.max(figures.window, frame.window);
    figures.compressedBlocks += frame.compressed;
    figures.storedBlocks += frame.stored;
  });
  return { container: 'foreign', pzstd, frames, decodedBytes, streamBytes };
}

function plus(sum: number | undefined, more: number | undefined): number | undefined {
  return sum === undefined || more === undefined ? undefined : sum + more;
}
