// From a chunk record back to the bytes of the stream: verify, codec, expand.
// Nothing reaches a codec before the record's own checksum has been verified, and nothing leaves before the
// decoded bytes have. Every failure is a RamferryError that names the chunk.

import type { Buffer } from 'node:buffer';

import { CODEC_ID, type Codec, type CodecName, codecName } from '../codec/codec.js';
import { RamferryError } from '../errors.js';
import { checksum, rangeIsSealed } from './checksum.js';
import type { Expander, PageCounts } from './expand.js';
import type { PageStore } from './page-store.js';
import { CHUNK_HEADER_BYTES, type ChunkHeader } from './record.js';

/** Memory of one decoding thread, and its codecs. */
export interface DecodeTools {
  readonly expander: Expander;
  /** At least the largest plain length of the stream. */
  readonly scratch: Buffer;
  codec(name: CodecName): Codec;
  /** Of a stream that has a page store. */
  readonly store?: StoreAccess | undefined;
}

export interface StoreAccess {
  readonly store: PageStore;
  /** Returns when so many chunks from the start of the stream are complete; throws when that will never be. */
  wait(needs: number): void;
}

/**
 * Decodes the record at record[0, …) into `out`, and does to the page store what the record says: all of it, or nothing
 * when anything is wrong.
 * @param out exactly header.decodedLength bytes
 */
export async function decodeChunk(
  tools: DecodeTools,
  header: ChunkHeader,
  record: Buffer,
  out: Buffer,
): Promise<void> {
  const sequence = { sequence: header.sequence };
  const end = CHUNK_HEADER_BYTES + header.bodyLength;
  if (!rangeIsSealed(record, 0, end)) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'a chunk record does not match its checksum', sequence);
  }
  let plain = record.subarray(CHUNK_HEADER_BYTES, end);
  if (header.codec !== CODEC_ID.none) {
    const codec = tools.codec(codecName(header.codec)!);
    const target = tools.scratch.subarray(0, header.plainLength);
    try {
      const pending = codec.decompress(target, plain);
      if (pending !== undefined) await pending;
    } catch (thrown) {
      if (thrown instanceof RamferryError) {
        throw new RamferryError(thrown.code, thrown.message, { cause: thrown, ...sequence });
      }
      throw new RamferryError('ERR_STREAM_CODEC', `codec ${codec.name} cannot decode a chunk`, {
        cause: thrown,
        ...sequence,
      });
    }
    plain = target;
  }
  const operations = plain.subarray(0, header.operationsLength);
  const content = plain.subarray(header.operationsLength);
  let counts: PageCounts;
  const { store } = tools;
  store?.wait(header.needs);
  try {
    const view = store === undefined ? undefined : { store: store.store, needs: header.needs };
    counts = tools.expander.expand(operations, content, out, view);
  } catch (thrown) {
    if (!(thrown instanceof RamferryError)) throw thrown;
    throw new RamferryError(thrown.code, thrown.message, { cause: thrown, ...sequence });
  }
  if (
    counts.zero !== header.zero ||
    counts.literal !== header.literal ||
    counts.duplicate !== header.duplicate ||
    counts.same !== header.same ||
    counts.delta !== header.delta
  ) {
    throw new RamferryError('ERR_STREAM_FORMAT', "a chunk's page counts differ from what it holds", sequence);
  }
  if (checksum(out) !== header.decodedChecksum) {
    throw new RamferryError(
      'ERR_STREAM_CHECKSUM',
      'a chunk decodes to bytes that do not match its checksum',
      sequence,
    );
  }
  if (store !== undefined) tools.expander.writes.carryOut(store.store, out, header.sequence);
}
