// What ramferry's two sides say to each other beside the stream, on a link that goes both ways (docs/FORMAT.md,
// "The way back"). The receiver speaks first: magic, then messages; only the receiver writes them. Forward, the stream
// is the same as on a one-way link. (A probe has no stream: there both sides write messages.) This file packs and unpacks messages; it does no I/O.

import { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed, sealRange } from '../chunk/checksum.js';
import { RamferryError } from '../errors.js';

export const CONTROL_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x43, 0x0d, 0x0a, 0x1a, 0x0a]);

/** What goes forward of a probe, in the place of a stream, begins with this; messages follow. */
export const PROBE_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x50, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Message types; 0 is never valid. */
export const MESSAGE = {
  /** JSON: what the receiver can read and hold (see Hello in negotiation.ts). First message. */
  hello: 1,
  /** JSON: how the transfer ended at the receiver (see Result in negotiation.ts). Last message. */
  result: 2,
  /** How far the receiver is (see Progress in progress.ts); sent at least every second. */
  progress: 3,
  /** Bytes that the receiver's own reader sent back; relayed unchanged. None: the reader has ended that direction. */
  backward: 4,
  /** Nothing; forward, behind the stream of `ramferry migrate`: the guest is the receiver's now. */
  go: 5,
  /** Of a probe: any bytes, which come back as they are. */
  echo: 6,
  /** Of a probe: u64, that many bytes follow; the answer is JSON, how they arrived. */
  load: 7,
  /** Of a probe: nothing; the answer is JSON, how fast this host decompresses. */
  speed: 8,
} as const;

export const MESSAGE_HEADER_BYTES = 8;

/** A message's body is at most this long. */
export const MAX_MESSAGE_BYTES = 65_536;

export function writeMessage(type: number, body: Uint8Array): Buffer {
  const end = MESSAGE_HEADER_BYTES + body.length;
  const out = Buffer.alloc(end + CHECKSUM_BYTES);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(body.length, 4);
  out.set(body, MESSAGE_HEADER_BYTES);
  sealRange(out, 0, end);
  return out;
}

export interface Message {
  readonly type: number;
  readonly body: Buffer;
}

/** Bytes that follow the message header at bytes[0, 8). @throws ERR_STREAM_LIMIT */
export function messageRest(header: Buffer): number {
  const length = header.readUInt32LE(4);
  if (length > MAX_MESSAGE_BYTES) {
    throw new RamferryError('ERR_STREAM_LIMIT', `a message of the other side claims ${length} bytes`);
  }
  return length + CHECKSUM_BYTES;
}

/** @param bytes one whole message. @throws ERR_STREAM_CHECKSUM */
export function readMessage(bytes: Buffer): Message {
  const end = bytes.length - CHECKSUM_BYTES;
  if (!rangeIsSealed(bytes, 0, end)) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'a message of the other side does not match its checksum');
  }
  return { type: bytes.readUInt32LE(0), body: bytes.subarray(MESSAGE_HEADER_BYTES, end) };
}
