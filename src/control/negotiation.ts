// The contents of the receiver's first and last messages (Hello, Result), and how a sender narrows its offer to a hello.
// Pure data and decisions; channel.ts and writer.ts carry the messages.

import { Buffer } from 'node:buffer';

import * as z from 'zod/mini';

import type { CodecName } from '../codec/codec.js';
import { type ErrorData, fromErrorData, isErrorCode, RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import { MESSAGE, writeMessage } from './messages.js';
import { NATIVE_VERSION } from '../container/native.js';
import type { StatedSums } from '../container/sums.js';

/** Characters. 256 backends with such ids fit into a message. */
export const MAX_BACKEND_ID = 100;

/** Messages are small, and few: their arrays and texts are too. */
const text = (most: number, least = 0): z.ZodMiniString<string> =>
  z.string().check(z.minLength(least), z.maxLength(most));
const list = <Item extends z.ZodMiniType>(each: Item, most = 100): z.ZodMiniArray<Item> =>
  z.array(each).check(z.maxLength(most));
const count = z.int().check(z.positive());
const amount = z.int().check(z.nonnegative());

const helloSchema = z.object({
  software: text(200),
  versions: list(z.int()),
  codecs: list(text(40)),
  maxChunk: count,
  /** Bytes of chunks and page store that the receiver is willing to hold. */
  memory: count,
  /** Only of `ramferry incoming`: the bytes of each RAM file, in order. */
  ram: z.optional(list(count, 256)),
  /** The memory backends of the same files in its QEMU; absent where QEMU does not tell, and before version 0.2. */
  ramBackends: z.optional(
    list(
      z.object({
        id: text(MAX_BACKEND_ID, 1),
        size: count,
        address: z.optional(amount),
        node: z.optional(amount),
      }),
      256,
    ),
  ),
  /** Bytes of page store that fit beside chunks of up to 64 KiB, 128 KiB, … 64 MiB; absent = none. */
  stores: z.optional(list(amount)),
  /** Only of `ramferry receive --probe`: the versions of the probe that it serves. It takes no stream. */
  probe: z.optional(list(count)),
  /** Milliseconds from a delivery to its acknowledgement; absent = every half second. */
  progressInterval: z.optional(count),
  /** Versions of method `xenguest` that it reads; absent = 1. */
  xenguest: z.optional(list(count)),
  /** Versions of the conversation besides 1 that it speaks; absent = none. */
  conversations: z.optional(list(count)),
  /** Milliseconds that it waits for a broken link; absent = 0. */
  reconnect: z.optional(amount),
  /** Milliseconds for which it answers a sender that asks how a transfer ended; absent = 0. */
  outcome: z.optional(amount),
  /** Connections that it takes for one transfer; absent = 1. */
  connections: z.optional(count),
  /** With several connections: bytes that it holds of packets which its reader has not taken. */
  window: z.optional(count),
  /** What it has of the stream from an earlier transfer: bytes, and their XXH64. Absent = nothing. */
  resume: z.optional(z.object({ bytes: count, digest: z.string().check(z.regex(/^[0-9a-f]{16}$/)) })),
  /** Versions of the introduction that it reads and needs: `ramferry serve`. Absent = none is expected. */
  introductions: z.optional(list(count)),
  /** Versions of several connections of one hypervisor that it takes. Absent = it takes one connection. */
  channels: z.optional(list(count)),
});

export type Hello = z.infer<typeof helloSchema>;

/** The version of the conversation whose link survives a broken connection and may have several. */
export const CONVERSATION_VERSION = 2;

/** The version of the conversation in which a sender says that it lives, and may ask for the outcome. */
export const LIVING_VERSION = 3;

/** The version of the introduction that this sender writes. */
export const INTRODUCTION_VERSION = 1;

/** The version of several connections of one hypervisor that this side writes and reads. */
export const CHANNELS_VERSION = 1;

/** Which guest names may travel: they become part of a path at the receiver. */
const GUEST_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Whether a text may be a guest's name: letters, digits, `.`, `_` and `-`, at most 64, no `..` and no leading sign. */
export function isGuestName(text: string): boolean {
  return GUEST_NAME.test(text) && !text.includes('..');
}

const introductionSchema = z.object({
  software: text(200),
  /** The guest, where the sender was told its name. */
  name: z.optional(z.string().check(z.refine(isGuestName))),
  /** With several connections: the transfer, 128 bits in hexadecimal digits. */
  transfer: z.optional(z.string().check(z.regex(/^[0-9a-f]{32}$/))),
  /**
   * Number of the hypervisor's connection, from 0, in the order in which the sender accepted them. Absent beside `transfer` on the
   * connection that has no stream: its end says that no more connections come.
   */
  channel: z.optional(amount),
});

/** What a sender says of itself before its stream. */
export type Introduction = z.infer<typeof introductionSchema>;

const placeSchema = z.object({
  /** Transfers that come before this one; 0 = this one begins now. */
  ahead: amount,
});

/** Where a sender stands in the receiver's line. */
export type Place = z.infer<typeof placeSchema>;

/** Characters. A label may be as long as a command line; a text of a message may not. */
const MAX_TEXT_CHARACTERS = 4000;

const resultSchema = z.object({
  ok: z.boolean(),
  bytes: z.optional(amount),
  chunks: z.optional(amount),
  digest: z.optional(z.string().check(z.regex(/^[0-9a-f]{16}$/))),
  error: z.optional(
    z.object({
      code: z.string().check(z.refine(isErrorCode)),
      message: text(MAX_TEXT_CHARACTERS),
      hint: z.optional(text(MAX_TEXT_CHARACTERS)),
      record: z.optional(z.number()),
      offset: z.optional(z.number()),
      sequence: z.optional(z.number()),
    }),
  ),
  handover: z.optional(z.enum(['refused', 'unknown'])),
});

/** With `ok`: the sums of what was delivered. Without: {@link FailedResult}. */
export type Result = FailedResult | (StatedSums & { readonly ok: true });

export interface FailedResult {
  readonly ok: false;
  /**
   * Decoded bytes that may have reached a program behind the receiver, which may act on them. 0 when the output is a file that did
   * not get its final name. Version 0.1 does not send it.
   */
  readonly bytes?: number | undefined;
  readonly error?: ErrorData | undefined;
  /** `incoming`: whether the guest certainly does not run there, and never will. Absent: not known, or nothing was handed over. */
  readonly handover?: 'refused' | 'unknown' | undefined;
}

export function helloMessage(hello: Hello): Buffer {
  return writeMessage(MESSAGE.hello, Buffer.from(JSON.stringify(hello)));
}

export function introductionMessage(introduction: Introduction): Buffer {
  return writeMessage(MESSAGE.introduction, Buffer.from(JSON.stringify(introduction)));
}

export function placeMessage(place: Place): Buffer {
  return writeMessage(MESSAGE.place, Buffer.from(JSON.stringify(place)));
}

export function resultMessage(result: Result): Buffer {
  const told =
    result.ok || result.error === undefined ? result : { ...result, error: shortened(result.error) };
  return writeMessage(MESSAGE.result, Buffer.from(JSON.stringify(told)));
}

function shortened(error: ErrorData): ErrorData {
  const { message, hint } = error;
  return {
    ...error,
    message: message.slice(0, MAX_TEXT_CHARACTERS),
    ...(hint === undefined ? {} : { hint: hint.slice(0, MAX_TEXT_CHARACTERS) }),
  };
}

function parse<T>(schema: z.ZodMiniType<T>, body: Buffer, what: string): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch (cause) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', `${what} is not understood`, { cause });
  }
}

export function readHello(body: Buffer): Hello {
  return parse(helloSchema, body, "the receiver's first message");
}

/** @throws ERR_LINK_NEGOTIATION, also for a name that is none (isGuestName) */
export function readIntroduction(body: Buffer): Introduction {
  return parse(introductionSchema, body, "the sender's introduction");
}

export function readPlace(body: Buffer): Place {
  return parse(placeSchema, body, "the receiver's place in line");
}

export function readResult(body: Buffer): Result {
  const { ok, bytes, chunks, digest, error, handover } = parse(
    resultSchema,
    body,
    "the receiver's last message",
  );
  // JSON has no undefined: absent keys are absent here too.
  if (ok) return { ok, bytes, chunks, digest };
  const verdict = handover === undefined ? {} : { handover };
  return { ok, bytes, error: error as ErrorData | undefined, ...verdict };
}

/** @returns the sender's error for a failure of the receiver */
export function peerFailure(result: FailedResult): RamferryError {
  const error = result.error === undefined ? undefined : fromErrorData(result.error);
  const text = error === undefined ? 'no reason given' : `${error.code}: ${error.describe()}`;
  return new RamferryError('ERR_PEER_FAILED', `the receiver failed: ${text}`, {
    ...(error?.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** What a sender intends to use. */
export interface Offer {
  readonly codec: CodecName;
  readonly maxChunk: number;
  /** Least bytes that a receiver must hold for this stream. */
  readonly memory: number;
}

/** What the user named explicitly; the negotiation does not change it. */
export interface Given {
  readonly codec: boolean;
  readonly maxChunk: boolean;
}

/** Smallest chunk: a grammar may hold back items of several pages until they are complete. */
const MIN_CHUNK_BYTES = 65_536;

/** Order of preference where the user names no codec. */
const PREFERRED_CODECS: readonly CodecName[] = ['zstd', 'lz4', 'zlib', 'none'];

/**
 * Narrows the offer to what the receiver takes: another codec or smaller chunks, where the user named none.
 * @throws ERR_LINK_NEGOTIATION, naming both sides' lists, when they have nothing in common
 */
export function narrowOffer(offer: Offer, given: Given, hello: Hello): Offer {
  const refuse = (what: string, ours: string, theirs: string): RamferryError =>
    new RamferryError(
      'ERR_LINK_NEGOTIATION',
      `the receiver does not take this ${what}: the sender has ${ours}, the receiver ${theirs}`,
      { hint: 'choose what both sides have, or update the older side' },
    );
  if (hello.probe !== undefined) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'the receiver serves a probe and takes no stream', {
      hint: 'start it again without --probe',
    });
  }
  if (!hello.versions.includes(NATIVE_VERSION)) {
    throw refuse('stream version', String(NATIVE_VERSION), hello.versions.join(', '));
  }
  const choices = given.codec ? [offer.codec] : [offer.codec, ...PREFERRED_CODECS];
  const codec = choices.find((name) => hello.codecs.includes(name));
  if (codec === undefined) {
    throw refuse('codec', [...new Set(choices)].join(', '), hello.codecs.join(', '));
  }
  const largest = Math.floor(hello.maxChunk / PAGE_BYTES) * PAGE_BYTES;
  if (largest < MIN_CHUNK_BYTES || (offer.maxChunk > hello.maxChunk && given.maxChunk)) {
    throw refuse('chunk size', `${offer.maxChunk} bytes`, `at most ${hello.maxChunk} bytes`);
  }
  if (offer.memory > hello.memory) {
    throw refuse('memory need', `${offer.memory} bytes`, `${hello.memory} bytes`);
  }
  return { ...offer, codec, maxChunk: Math.min(offer.maxChunk, largest) };
}
