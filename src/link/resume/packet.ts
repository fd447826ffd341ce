// The packets of conversation version 2 (docs/FORMAT.md): the layout of a control message whose body begins with a position. Packs and
// checks them; does no I/O. A packet whose checksum is wrong counts as a broken link, so its bytes are sent again.

import { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed, sealRange } from '../../chunk/checksum.js';
import { RamferryError } from '../../errors.js';
import type { ExactReader } from '../../io/exact-reader.js';

/** Before the first packet of the side that connects, on every connection: `RF2` in the place of `RFY`. */
export const CONVERSATION_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x32, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Begins what a receiver says on a connection: its hello follows, a message with the layout of a packet (control/messages.ts). */
export const CONTROL_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x43, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Packet types. They continue the numbers of the control messages. */
export const PACKET = {
  /** Forward, the first: the transfer's id and the time limits. */
  open: 11,
  /** Backward: the answer. Before it stand control messages, after it packets. */
  opened: 12,
  /** On a later connection, from the side that connects: the id, and what has arrived there. */
  join: 13,
  /** The answer: what has arrived at the side that listens. */
  joined: 14,
  /** Numbered bytes. */
  data: 15,
  /** Numbered: no data follows in this direction. */
  end: 16,
  /** What the reader has taken, and how long this side would wait for a broken link. Also the keep-alive. */
  acknowledge: 17,
  /** This side has given up; the other must not wait for it. */
  abort: 18,
  /** Version 3: so many bytes of the stream follow. */
  stream: 19,
  /** Version 3: the sender has nothing to send. */
  alive: 20,
  /** Version 3: the sender has the result. */
  heard: 21,
  /** Version 3, on a later connection: how did the transfer end? */
  ask: 22,
} as const;

/** A sender whose guest stands names no longer time than this for a broken link. */
export const GUEST_STANDS_MS = 5_000;

/** The same for version 3. */
export const LIVING_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x33, 0x0d, 0x0a, 0x1a, 0x0a]);

const HEADER_BYTES = 16;
const POSITION_BYTES = 8;
/** Most bytes of the stream in one packet. A block of this size stays in a processor's cache. */
export const MAX_PAYLOAD = 262_144;
/** Bytes of a packet besides its payload. */
export const PACKET_OVERHEAD = HEADER_BYTES + CHECKSUM_BYTES;
/** A packet with less payload than this gets memory of its own length. */
export const LEAST_BLOCK_USE = 16_384;

export interface Packet {
  readonly type: number;
  /** Where the payload begins in the bytes of its direction; what else it means, the type says. */
  readonly position: number;
  readonly payload: Buffer;
}

/** Packs a packet into `block`, which has room for it. @returns the packet's bytes, in the same memory */
export function sealPacket(block: Buffer, type: number, position: number, payload: Uint8Array): Buffer {
  const end = HEADER_BYTES + payload.length;
  block.writeUInt32LE(type, 0);
  block.writeUInt32LE(POSITION_BYTES + payload.length, 4);
  block.writeBigUInt64LE(BigInt(position), 8);
  block.set(payload, HEADER_BYTES);
  sealRange(block, 0, end);
  return block.subarray(0, end + CHECKSUM_BYTES);
}

/** A packet in memory of its own. */
export function packet(type: number, position: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  return sealPacket(Buffer.allocUnsafe(payload.length + PACKET_OVERHEAD), type, position, payload);
}

/** Bytes of an acknowledgement's payload. */
export const LIMIT_BYTES = 4;

/** @param limit milliseconds that this side would wait for a broken link */
export function acknowledgement(position: number, limit: number): Buffer {
  const payload = Buffer.alloc(LIMIT_BYTES);
  payload.writeUInt32LE(Math.min(limit, 2 ** 32 - 1));
  return packet(PACKET.acknowledge, position, payload);
}

/**
 * Reads one packet.
 * @param block gives memory for a packet of so many bytes
 * @param most bytes of payload
 * @param begun its first bytes, where they were read already; at most {@link HEADER_BYTES}
 * @throws ERR_STREAM_LIMIT, ERR_STREAM_CHECKSUM, ERR_STREAM_TRUNCATED, or what reading throws
 */
export async function readPacket(
  reader: ExactReader,
  block: (bytes: number) => Buffer,
  most = MAX_PAYLOAD,
  begun: Buffer = Buffer.alloc(0),
): Promise<Packet> {
  const header = Buffer.alloc(HEADER_BYTES);
  header.set(begun);
  await reader.exactly(header.subarray(begun.length));
  const length = header.readUInt32LE(4) - POSITION_BYTES;
  if (length < 0 || length > most) {
    throw new RamferryError('ERR_STREAM_LIMIT', `a packet of the other side claims ${length} bytes`);
  }
  const whole = block(length + PACKET_OVERHEAD).subarray(0, length + PACKET_OVERHEAD);
  whole.set(header);
  await reader.exactly(whole.subarray(HEADER_BYTES));
  return checkPacket(whole);
}

/** @param bytes one whole packet. @throws ERR_STREAM_CHECKSUM */
export function checkPacket(bytes: Buffer): Packet {
  const end = bytes.length - CHECKSUM_BYTES;
  if (!rangeIsSealed(bytes, 0, end)) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'a packet of the other side does not match its checksum');
  }
  return {
    type: bytes.readUInt32LE(0),
    position: Number(bytes.readBigUInt64LE(8)),
    payload: bytes.subarray(HEADER_BYTES, end),
  };
}
