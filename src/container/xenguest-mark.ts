// The marks of a compressed libxc stream (docs/FORMAT.md, "Marks"): a bit of the image header and a record after the domain
// header. No single burst error erases both, so a receiver knows that totals must come before END. Encodes and decodes the
// marks. The outlet sets them, and the parser removes them.

import { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed, sealRange } from '../chunk/checksum.js';
import { RamferryError } from '../errors.js';
import { COMPRESSED_OPTION, IMAGE_HEADER_BYTES, XENGUEST_RECORD } from '../grammar/xen/libxc-format.js';
import { PAGE_BYTES } from '../page/size.js';
import { type Envelope, LIBXC_HEADER_BYTES, writeLibxcHeader, XENGUEST_MAGIC } from './xenguest.js';

/**
 * Versions of method `xenguest`. Ramferry 0.1 has version 1: no marks, and bytes of unknown structure travel uncompressed.
 * Version 2 has marks and COMPRESSED_BYTES.
 */
export const XENGUEST_VERSIONS = [1, 2] as const;
export type XenguestVersion = (typeof XENGUEST_VERSIONS)[number];
const MARKED_VERSION = 2;

/** Bytes of magic, version, flags, the limits of an envelope, and checksum. */
const BODY_BYTES = 24;
export const MARK_RECORD_BYTES = LIBXC_HEADER_BYTES + BODY_BYTES;

/** The sender continues to read after the END of a bare stream: COMPRESSED_BYTES and totals follow it. */
const FLAG_BEHIND_END = 1;

export interface Mark {
  /** The limits that every compressed record of the stream repeats. */
  readonly envelope: Envelope;
  readonly followsEnd: boolean;
}

/** Sets the mark in the image header that ends `bytes`. */
export function markImageHeader(bytes: Buffer): void {
  bytes[bytes.length - IMAGE_HEADER_BYTES + COMPRESSED_OPTION.at]! |= COMPRESSED_OPTION.bit;
}

/** Clears the mark in the image header that begins at `at`. */
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

/** @param body the record without its libxc header @throws ERR_STREAM_CHECKSUM, _FORMAT, _VERSION, _FEATURE */
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
