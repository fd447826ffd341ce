// The marks of a compressed libxc stream (docs/FORMAT.md, "Marks"): a bit of the image header and a record behind the domain
// header. No single burst on the way hides both, so a receiver knows that totals must come before END. Packs and unpacks; the
// outlet sets them, the parser takes them away.

import { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed, sealRange } from '../chunk/checksum.js';
import { RamferryError } from '../errors.js';
import { COMPRESSED_OPTION, IMAGE_HEADER_BYTES, XENGUEST_RECORD } from '../grammar/xen/libxc-format.js';
import { PAGE_BYTES } from '../page/size.js';
import { type Envelope, LIBXC_HEADER_BYTES, writeLibxcHeader, XENGUEST_MAGIC } from './xenguest.js';

/**
 * Versions of method `xenguest`. 1 is that of ramferry 0.1: no marks, and bytes of no known structure travel as they are.
 * 2 has marks and COMPRESSED_BYTES.
 */
export const XENGUEST_VERSIONS = [1, 2] as const;
export type XenguestVersion = (typeof XENGUEST_VERSIONS)[number];
const MARKED_VERSION = 2;

/** Magic, version, flags, limits as in an envelope, checksum. */
const BODY_BYTES = 24;
export const MARK_RECORD_BYTES = LIBXC_HEADER_BYTES + BODY_BYTES;

/** The sender reads on behind the END of a bare stream: COMPRESSED_BYTES and totals follow it. */
const FLAG_BEHIND_END = 1;

export interface Mark {
  /** What every compressed record of the stream announces, too. */
  readonly envelope: Envelope;
  readonly followsEnd: boolean;
}

/** Sets the bit of the image header in the last bytes of `bytes`. */
export function markImageHeader(bytes: Buffer): void {
  bytes[bytes.length - IMAGE_HEADER_BYTES + COMPRESSED_OPTION.at]! |= COMPRESSED_OPTION.bit;
}

/** Takes the bit away from the image header at bytes[at). */
export function unmarkImageHeader(bytes: Buffer, at: number): void {
  bytes[at + COMPRESSED_OPTION.at]! &= ~COMPRESSED_OPTION.bit;
}

export function markRecord({ envelope, followsEnd }: Mark, bigEndian: boolean): Buffer {
  const out = Buffer.alloc(MARK_RECORD_BYTES);
  writeLibxcHeader(out, 0, XENGUEST_RECORD.mark, BODY_BYTES, bigEndian);
  out.writeUInt32LE(XENGUEST_MAGIC, 8);
  out.writeUInt16LE(MARKED_VERSION, 12);
  out.writeUInt16LE(followsEnd ? FLAG_BEHIND_END : 0, 14);
  out.writeUInt32LE(envelope.maxChunk, 16);
  out.writeUInt32LE(envelope.storeBytes / PAGE_BYTES, 20);
  sealRange(out, LIBXC_HEADER_BYTES, MARK_RECORD_BYTES - CHECKSUM_BYTES);
  return out;
}

/** @param body of the record. @throws ERR_STREAM_CHECKSUM, ERR_STREAM_FORMAT, ERR_STREAM_VERSION, ERR_STREAM_FEATURE */
export function readMark(body: Buffer): Mark {
  if (body.length !== BODY_BYTES || !rangeIsSealed(body, 0, BODY_BYTES - CHECKSUM_BYTES)) {
    throw new RamferryError(
      'ERR_STREAM_CHECKSUM',
      'the record that marks the stream does not match its checksum',
    );
  }
  if (body.readUInt32LE(0) !== XENGUEST_MAGIC) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a record of our type does not begin with our magic');
  }
  const version = body.readUInt16LE(4);
  if (version !== MARKED_VERSION) {
    throw new RamferryError(
      'ERR_STREAM_VERSION',
      `the stream has version ${version} of method xenguest, this is for versions ${XENGUEST_VERSIONS.join(' and ')}`,
      { hint: 'use a newer ramferry on the receiving side' },
    );
  }
  const flags = body.readUInt16LE(6);
  if ((flags & ~FLAG_BEHIND_END) !== 0) {
    throw new RamferryError(
      'ERR_STREAM_FEATURE',
      'the stream uses features that this version does not have',
      {
        hint: 'use a newer ramferry on the receiving side',
      },
    );
  }
  const envelope = { maxChunk: body.readUInt32LE(8), storeBytes: body.readUInt32LE(12) * PAGE_BYTES };
  return { envelope, followsEnd: (flags & FLAG_BEHIND_END) !== 0 };
}
