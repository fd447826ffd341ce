// The control messages of a duplex link (docs/FORMAT.md, "The way back"). The receiver speaks first: magic, then messages; only the
// receiver writes them. Forward, the stream is the same as on a one-way link. A probe has no stream: there both sides write messages.
// Packs and unpacks messages; does no I/O.

import { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed, sealRange } from '../chunk/checksum.js';
import { RamferryError } from '../errors.js';

export { CONTROL_MAGIC } from '../link/resume/packet.js';

/** Begins what a probe sends forward in place of a stream; messages follow. */
export const PROBE_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x50, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Begins what a sender says before its stream, to a receiver whose hello has `introductions`; one message follows. */
export const INTRODUCTION_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x49, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Message types; 0 is never valid. */
export const MESSAGE = {
  /** First message. JSON: what the receiver can read and hold (Hello in negotiation.ts). */
  hello: 1,
  /** Last message. JSON: how the transfer ended at the receiver (Result in negotiation.ts). */
  result: 2,
  /** Acknowledgement (Progress in progress.ts); sent at least every second. */
  progress: 3,
  /** Bytes that the program behind the receiver sent back, unchanged. An empty body: that program has ended this direction. */
  backward: 4,
  /** Empty; forward, behind the stream of `ramferry migrate`: the guest now belongs to the receiver. */
  go: 5,
  /** Of a probe: any bytes; the answer has the same bytes. */
  echo: 6,
  /** Of a probe: u64, so many bytes follow; the answer is JSON: how they arrived. */
  load: 7,
  /** Of a probe: empty; the answer is JSON: how fast this host decompresses. */
  speed: 8,
  /** To a sender that has introduced itself. JSON: its place in line (Place in negotiation.ts). */
  place: 9,
  /** Forward, behind INTRODUCTION_MAGIC and before the stream. JSON: which guest it is (Introduction in negotiation.ts). */
  introduction: 10,
} as const;

export const MESSAGE_HEADER_BYTES = 8;

/** Largest body of a message. */
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

/** @returns bytes that follow this message header. @throws ERR_STREAM_LIMIT */
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
