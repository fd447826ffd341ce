// How the two sides of a running transfer find each other on a new connection. The side that connects presents the transfer's id, which
// only these two sides know, and each side says up to where it has the other's bytes.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import type { Channel } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';
import type { Judge } from '../options.js';
import {
  checkPacket,
  CONTROL_MAGIC,
  CONVERSATION_MAGIC,
  LIVING_MAGIC,
  type Packet,
  packet,
  PACKET,
  PACKET_OVERHEAD,
  readPacket,
} from './packet.js';

export const ID_BYTES = 16;
const LIMIT_BYTES = 4;
const NUMBER_BYTES = 4;
/**
 * The payload of `open` and `join`: the id, how many milliseconds that side would wait for a broken link, and how many connections the
 * transfer has (`open`) or which of them this is (`join`).
 */
const PAYLOAD_BYTES = ID_BYTES + LIMIT_BYTES + NUMBER_BYTES;
/** Bytes of a first connection's opening, and of what a later connection says first. */
export const INTRODUCTION_BYTES = CONVERSATION_MAGIC.length + PAYLOAD_BYTES + PACKET_OVERHEAD;

export interface Introduction {
  readonly id: Buffer;
  /** Milliseconds. */
  readonly limit: number;
}

/** What a sender says first. */
export interface Opening extends Introduction {
  /** How many connections the transfer has. */
  readonly connections: number;
}

/** What the side that connects says on a later connection. */
export interface Presentation extends Introduction {
  /** Which of the transfer's connections this is; 0 = the first. */
  readonly number: number;
}

/** A connection on which both sides have said what has arrived. */
export interface Joined {
  readonly channel: Channel;
  readonly reader: ExactReader;
  /** Which of the transfer's connections it is. */
  readonly number: number;
  /** The position up to which the other side has what this side sent. */
  readonly received: number;
  /** Bytes that this side must write first. */
  readonly answer?: (received: number) => Buffer;
}

export function newId(): Buffer {
  return nodeCrypto().randomBytes(ID_BYTES);
}

/** Loaded where a conversation begins: it takes 7 ms of a start, and most transfers have none. */
function nodeCrypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto');
}

/** What the side that connects says first. @param position for a join: what has arrived at that side */
function introduction(type: number, position: number, of: Introduction, number: number): Buffer {
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  payload.set(of.id);
  payload.writeUInt32LE(Math.min(of.limit, 2 ** 32 - 1), ID_BYTES);
  payload.writeUInt32LE(number, ID_BYTES + LIMIT_BYTES);
  return packet(type, position, payload);
}

/** What a sender says before its first packet. */
export function opening(of: Opening): Buffer {
  return Buffer.concat([CONVERSATION_MAGIC, introduction(PACKET.open, 0, of, of.connections)]);
}

/** The same in conversation version 3. */
export function livingOpening(id: Buffer): Buffer {
  return Buffer.concat([LIVING_MAGIC, introduction(PACKET.open, 0, { id, limit: 0 }, 1)]);
}

/** The first bytes of a connection that asks for the outcome of a transfer. */
export function asking(id: Buffer): Buffer {
  return Buffer.concat([LIVING_MAGIC, introduction(PACKET.ask, 0, { id, limit: 0 }, 0)]);
}

interface ReadIntroduction extends Introduction {
  readonly last: number;
}

function readIntroduction({ type, payload }: Packet, wanted: number): ReadIntroduction {
  if (type !== wanted || payload.length !== PAYLOAD_BYTES) throw unexpected(type);
  return {
    id: Buffer.from(payload.subarray(0, ID_BYTES)),
    limit: payload.readUInt32LE(ID_BYTES),
    last: payload.readUInt32LE(ID_BYTES + LIMIT_BYTES),
  };
}

/** Reads a sender's opening behind its magic. @throws ERR_LINK_NEGOTIATION, and as readPacket */
export async function readOpening(reader: ExactReader, type: number = PACKET.open): Promise<Opening> {
  const { last: connections, ...of } = readIntroduction(
    await readPacket(reader, (bytes) => Buffer.alloc(bytes), PAYLOAD_BYTES),
    type,
  );
  return { ...of, connections };
}

/** The answer to an opening. */
export function opened(): Buffer {
  return packet(PACKET.opened, 0);
}

/** The side that connects: presents the id on a new connection and reads the answer. @throws ERR_LINK_NEGOTIATION, and as readPacket */
export async function join(channel: Channel, received: number, of: Presentation): Promise<Joined> {
  const { number } = of;
  await channel.sink!.write(
    Buffer.concat([CONVERSATION_MAGIC, introduction(PACKET.join, received, of, number)]),
  );
  const reader = new ExactReader(channel.source!);
  const answer = await readAnswer(reader);
  if (answer.type !== PACKET.joined) throw unexpected(answer.type);
  return { channel, reader, number, received: answer.position };
}

/** A server greets each connection before it knows what comes: magic and hello stand before the answer. */
async function readAnswer(reader: ExactReader): Promise<Packet> {
  const block = (bytes: number): Buffer => Buffer.alloc(bytes);
  const first = Buffer.alloc(CONTROL_MAGIC.length);
  await reader.exactly(first);
  if (!first.equals(CONTROL_MAGIC)) return readPacket(reader, block, undefined, first);
  await readPacket(reader, block);
  return readPacket(reader, block);
}

/** The answer to a join. @param received what has arrived at the side that listens */
export function joinedAnswer(received: number): Buffer {
  return packet(PACKET.joined, received);
}

/** Accepts a connection that presents the id of this transfer: joins it, or asks for its outcome. */
export class IdJudge implements Judge {
  readonly #id: Buffer;
  readonly #magic: Buffer;
  readonly #type: number;
  #seen = Buffer.alloc(0);

  constructor(id: Buffer, wants: 'join' | 'outcome' = 'join') {
    this.#id = id;
    this.#magic = wants === 'join' ? CONVERSATION_MAGIC : LIVING_MAGIC;
    this.#type = wants === 'join' ? PACKET.join : PACKET.ask;
  }

  get wanted(): number {
    return INTRODUCTION_BYTES - this.#seen.length;
  }

  feed(bytes: Uint8Array): string | undefined {
    this.#seen = Buffer.concat([this.#seen, bytes]);
    const magic = this.#seen.subarray(0, this.#magic.length);
    if (!magic.equals(this.#magic.subarray(0, magic.length)))
      return 'a transfer runs, and this is not its peer';
    if (this.wanted > 0) return undefined;
    try {
      const { id } = readIntroduction(checkPacket(this.#seen.subarray(magic.length)), this.#type);
      return nodeCrypto().timingSafeEqual(id, this.#id) ? undefined : 'it names another transfer';
    } catch {
      return 'it names no transfer';
    }
  }
}

/** Whether a connection that begins with these bytes says which transfer it belongs to, in {@link INTRODUCTION_BYTES} bytes. */
export function isLaterMagic(first: Uint8Array): boolean {
  return [CONVERSATION_MAGIC, LIVING_MAGIC].some((magic) => magic.equals(first));
}

/** Reads the question that an IdJudge has accepted. @throws as readPacket */
export async function readAsking(reader: ExactReader): Promise<void> {
  await reader.exactly(Buffer.alloc(LIVING_MAGIC.length));
  await readOpening(reader, PACKET.ask);
}

/** Reads the join that an IdJudge has accepted, and gets the connection ready. */
export async function joinedBy(channel: Channel): Promise<Joined> {
  const reader = new ExactReader(channel.source!);
  await reader.exactly(Buffer.alloc(CONVERSATION_MAGIC.length));
  const packet = await readPacket(reader, (bytes) => Buffer.alloc(bytes));
  const { last: number } = readIntroduction(packet, PACKET.join);
  return { channel, reader, number, received: packet.position, answer: joinedAnswer };
}

function unexpected(type: number): RamferryError {
  return new RamferryError(
    'ERR_LINK_NEGOTIATION',
    `the other side sent a packet of type ${type} in place of its introduction`,
  );
}
