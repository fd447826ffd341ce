// From a chunk record back to the bytes of the stream: verify, codec, expand.
// The record's own checksum is verified before a codec sees any byte, the checksum of the decoded bytes before any leaves.
// Every failure is a RamferryError that names the chunk.

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
  /** Returns when the first `needs` chunks of the stream are complete; throws when they never will be. */
  wait(needs: number): void;
}

/**
 * Decodes the record at record[0, …) into `out` and writes the chunk's pages to the page store. On any error it leaves the
 * store as it was.
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
