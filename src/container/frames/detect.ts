// Detects the layout of a stream of standard frames from its first bytes.
// Accepts a prefix of any length. MAX_UNIT_HEAD bytes are enough for every decision.

import { CODEC_ID } from '../../codec/codec.js';
import { GZIP_RECORD_OFFSET, PZSTD_HEADER_SIZE } from './bounds.js';
import { controlRecordOffset } from './control.js';
import { beginsSomeFrame, isSkippable, MAGIC } from './limits.js';
import { RECORD_CODEC_OFFSET, RECORD_MAGIC, type FrameFormat } from './record.js';
import { viewOf } from './unit.js';

export type FrameLayout =
  /** Independent frames with stated lengths, for FrameSplitter and several threads. */
  | {
      readonly layout: 'units';
      readonly format: FrameFormat;
      /** True for ramferry streams, which must end with totals; false for pzstd streams, which have none. */
      readonly announced: boolean;
    }
  /** Any other zstd, lz4 or gzip stream, for StreamDecoder and one thread. */
  | { readonly layout: 'stream' }
  /** Not a stream of standard frames. */
  | { readonly layout: 'none' };

const SKIPPABLE_FORMATS = ['zstd', 'lz4'] as const;

/**
 * @param head the first bytes of the stream
 * @param atEnd whether `head` is the whole stream
 * @returns undefined while more bytes are needed
 */
export function detectLayout(head: Uint8Array, atEnd = false): FrameLayout | undefined {
  const view = viewOf(head);
  // The result when the bytes so far match a rule but are too few to decide.
  const short = atEnd ? ({ layout: 'stream' } as const) : undefined;
  if (head.length === 0) return atEnd ? { layout: 'none' } : undefined;
  if (head.length < 4) return beginsSomeFrame(head) ? short : { layout: 'none' };
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 8) return gzipLayout(head, atEnd);
  const magic = view.getUint32(0, true);
  if (magic === MAGIC.zstd || magic === MAGIC.lz4 || magic === MAGIC.lz4Legacy) return { layout: 'stream' };
  if (!isSkippable(magic)) return { layout: 'none' };
  if (magic !== MAGIC.pzstd) return { layout: 'stream' };
  if (head.length < 8) return short;
  if (view.getUint32(4, true) !== 4) return { layout: 'stream' };
  if (head.length < PZSTD_HEADER_SIZE + 4) {
    // A pzstd stream that is truncated after its first header must not pass as a single skippable frame.
    return atEnd ? { layout: 'units', format: 'zstd', announced: false } : undefined;
  }
  const inner = view.getUint32(PZSTD_HEADER_SIZE, true);
  if (inner === MAGIC.zstd) return { layout: 'units', format: 'zstd', announced: false };
  if (inner !== MAGIC.ramferry) return { layout: 'stream' };
  return announced(head, controlRecordOffset('zstd'), SKIPPABLE_FORMATS, atEnd);
}

function gzipLayout(head: Uint8Array, atEnd: boolean): FrameLayout | undefined {
  if (head.length < GZIP_RECORD_OFFSET) return atEnd ? { layout: 'stream' } : undefined;
  const hasRecord = head[3] === 4 && head[12] === 0x52 && head[13] === 0x46;
  return hasRecord ? announced(head, GZIP_RECORD_OFFSET, ['zlib'], atEnd) : { layout: 'stream' };
}

/** Looks for a record at the offset of an announcement. The splitter checks that the record is intact and an announcement. */
function announced(
  head: Uint8Array,
  recordOffset: number,
  formats: readonly FrameFormat[],
  atEnd: boolean,
): FrameLayout | undefined {
  const record = head.subarray(recordOffset);
  const begun = record.subarray(0, RECORD_MAGIC.length);
  if (!RECORD_MAGIC.subarray(0, begun.length).equals(begun)) return { layout: 'stream' };
  if (record.length <= RECORD_CODEC_OFFSET && !atEnd) return undefined;
  const format = formats.find((name) => CODEC_ID[name] === record[RECORD_CODEC_OFFSET]) ?? formats[0]!;
  return { layout: 'units', format, announced: true };
}
