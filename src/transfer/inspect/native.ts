// Walks a native stream without decoding it, with the receiver's inlet. Verifies the checksum of every record, the order and
// the totals.

import type { Buffer } from 'node:buffer';

import type { ArrivedChunk } from '../../container/inlet.js';
import { NativeInlet } from '../../container/native-inlet.js';
import type { ByteSource } from '../../io/bytes.js';
import { RecordWalk } from './record-walk.js';
import type { NativeReport } from './report.js';

class NativeWalk extends RecordWalk {
  protected readonly inlet: NativeInlet;
  /** Chunks ahead of their turn, with the checksum of each record. */
  readonly #waiting = new Map<number, { readonly chunk: ArrivedChunk; readonly checksum: bigint }>();
  #next = 0;

  constructor(inlet: NativeInlet) {
    super();
    this.inlet = inlet;
  }

  protected add(arrived: ArrivedChunk, record: Buffer): void {
    const recordChecksum = record.readBigUInt64LE(arrived.length - 8);
    this.#waiting.set(arrived.sequence, { chunk: arrived, checksum: recordChecksum });
    for (let due = this.#waiting.get(this.#next); due !== undefined; due = this.#waiting.get(this.#next)) {
      this.inlet.add(due.chunk, due.checksum);
      this.#waiting.delete(this.#next++);
    }
  }
}

/**
 * @param head bytes of the source that were read already
 * @throws the error of `receive` for the same damage, if the damage shows without decoding
 */
export async function inspectNative(source: ByteSource, head: Uint8Array): Promise<NativeReport> {
  const inlet = new NativeInlet({ source, head, ioTimeout: 0 });
  const walk = new NativeWalk(inlet);
  await inlet.read(walk);
  const { pages, skeletonBytes, figures } = walk.count;
  return {
    container: 'native',
    header: inlet.header!,
    decodedBytes: inlet.outcome().bytes,
    streamBytes: inlet.offset,
    ...figures,
    pages,
    skeletonBytes,
  };
}
