// What stands between the parser of a Xen stream and whoever restores or inspects it: what is found, in stream order.

import type { ChunkHeader } from '../../chunk/record.js';
import type { Envelope } from '../../container/xenguest.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';

/** A libxc record of ours that holds a chunk. */
export interface ArrivedChunk {
  readonly record: LibxcRecord;
  /** All of its body: the envelope, the chunk record, zeros. It is the memory that `room` gave. */
  readonly body: Buffer;
  readonly header: ChunkHeader;
  /** Of the chunk record, behind the envelope. */
  readonly length: number;
}

/** Whoever uses what is found. Nothing else is done until a promise that was returned has resolved. */
export interface XenDeliveries {
  /** The first record of ours announces what the stream needs. */
  open(envelope: Envelope): void;
  /** Memory for the body of the chunk record that comes next. @returns exactly `length` bytes */
  room(length: number): Promise<Buffer> | Buffer;
  chunk(chunk: ArrivedChunk): void;
  /** Bytes that travel as they are. */
  pass(bytes: Buffer): Promise<void> | void;
  /** The body of totals; to be compared with all that was delivered before. */
  totals(record: LibxcRecord, body: Buffer): Promise<void> | void;
  /** Every libxc record as it begins; for those who count. */
  begin?(record: LibxcRecord): void;
}
