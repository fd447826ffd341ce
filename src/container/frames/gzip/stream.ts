// Decodes one gzip member incrementally (RFC 1952) with the raw inflate of node:zlib.
// Parses header and trailer itself, because Node's Gunzip silently ignores any bytes after a member.

import { constants, crc32, createInflateRaw } from 'node:zlib';

import { RamferryError } from '../../../errors.js';
import { Gather, type Cursor, type Emit } from '../cursor.js';
import type { FrameDecoder } from '../frame-decoder.js';
import { MAX_GZIP_HEADER } from '../limits.js';
import { startsRecord } from '../record.js';
import { lostAnnouncement } from '../skippable-stream.js';
import { TransformPump } from '../transform-pump.js';
import { KIB } from '../../../units.js';

const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;
const FIXED_HEADER_SIZE = 10;
const OUTPUT_STEP = 256 * KIB;

export class GzipMemberDecoder implements FrameDecoder {
  readonly verified = true;
  readonly #gather = new Gather();
  readonly #pump = new TransformPump(
    createInflateRaw({ chunkSize: OUTPUT_STEP, finishFlush: constants.Z_SYNC_FLUSH }),
  );
  readonly #offset: number;
  #header: Buffer;
  #state: 'header' | 'body' | 'trailer' = 'header';
  #crc = 0;
  #size = 0;

  constructor(start: Uint8Array, offset: number) {
    this.#header = Buffer.from(start);
    this.#offset = offset;
  }

  async push(cursor: Cursor, emit: Emit): Promise<boolean> {
    if (this.#state === 'header' && !this.#takeHeader(cursor)) return false;
    if (this.#state === 'body' && !(await this.#inflate(cursor, emit))) return false;
    const trailer = this.#gather.take(cursor, 8);
    if (trailer === undefined) return false;
    const view = Buffer.from(trailer);
    if (view.readUInt32LE(0) !== this.#crc || view.readUInt32LE(4) !== this.#size) {
      throw new RamferryError('ERR_STREAM_CHECKSUM', 'a gzip member decodes to other bytes than were sent', {
        offset: cursor.offset - 8,
      });
    }
    return true;
  }

  close(): void {
    this.#pump.close();
  }

  /** Collects the header, which has no length field. Returns true when the cursor is after it. */
  #takeHeader(cursor: Cursor): boolean {
    const before = this.#header.length;
    const room = MAX_GZIP_HEADER - before;
    const seen = Buffer.concat([this.#header, cursor.rest().subarray(0, room)]);
    const length = headerLength(seen, this.#offset);
    if (length === undefined) {
      if (seen.length === MAX_GZIP_HEADER) {
        throw new RamferryError('ERR_STREAM_LIMIT', `a gzip header is longer than ${MAX_GZIP_HEADER} bytes`, {
          offset: this.#offset,
        });
      }
      cursor.take(cursor.left);
      this.#header = seen;
      return false;
    }
    cursor.take(Math.max(0, length - before));
    this.#header = Buffer.alloc(0);
    this.#state = 'body';
    return true;
  }

  async #inflate(cursor: Cursor, emit: Emit): Promise<boolean> {
    if (cursor.left === 0) return false;
    const checked: Emit = (bytes) => {
      this.#crc = crc32(bytes, this.#crc);
      this.#size = (this.#size + bytes.length) >>> 0;
      return emit(bytes);
    };
    try {
      cursor.take(await this.#pump.push(cursor.rest(), checked));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'Z_DATA_ERROR') throw cause;
      throw new RamferryError('ERR_STREAM_CODEC', 'a gzip member is damaged', {
        offset: cursor.offset,
        cause,
      });
    }
    if (!this.#pump.ended) return false;
    this.#state = 'trailer';
    return true;
  }
}

/** Length of the member's header in bytes; undefined while `seen` is too short. */
function headerLength(seen: Buffer, offset: number): number | undefined {
  if (seen.length < FIXED_HEADER_SIZE) return undefined;
  const flags = seen[3]!;
  if (flags & FLAG.reserved) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a gzip header has unknown flags', { offset });
  }
  let at = FIXED_HEADER_SIZE;
  if (flags & FLAG.extra) {
    if (seen.length < at + 2) return undefined;
    const extra = seen.subarray(at + 2);
    at += 2 + seen.readUInt16LE(at);
    if (seen.length < at) return undefined;
    if (extra.subarray(0, 2).equals(Buffer.from('RF')) && startsRecord(extra.subarray(4))) {
      throw lostAnnouncement(offset);
    }
  }
  for (const flag of [FLAG.name, FLAG.comment]) {
    if (!(flags & flag)) continue;
    const end = seen.indexOf(0, at);
    if (end === -1) return undefined;
    at = end + 1;
  }
  if (flags & FLAG.headerCrc) {
    if (seen.length < at + 2) return undefined;
    if (seen.readUInt16LE(at) !== (crc32(seen.subarray(0, at)) & 0xffff)) {
      throw new RamferryError('ERR_STREAM_CHECKSUM', 'a gzip header is damaged', { offset });
    }
    at += 2;
  }
  return at;
}
