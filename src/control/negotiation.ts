// What the receiver's first and last messages say, and how a sender narrows its choice to it.
// Pure data and decisions; the messages travel in control.ts.

import { Buffer } from 'node:buffer';

import { z } from 'zod';

import type { CodecName } from '../codec/codec.js';
import { type ErrorData, fromErrorData, isErrorCode, RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import { MESSAGE, writeMessage } from './messages.js';
import { NATIVE_VERSION } from '../container/native.js';
import type { StatedSums } from '../container/sums.js';

/** Characters. 256 backends with such ids fit into a message. */
export const MAX_BACKEND_ID = 100;

const helloSchema = z.object({
  software: z.string().max(200),
  versions: z.array(z.number().int()).max(100),
  codecs: z.array(z.string().max(40)).max(100),
  maxChunk: z.number().int().positive(),
  /** Bytes of chunks and page store that the receiver is willing to hold. */
  memory: z.number().int().positive(),
  /** Only of `ramferry incoming`: the bytes of each RAM file, in order. */
  ram: z.array(z.number().int().positive()).max(256).optional(),
  /** The same files, as its QEMU names them; absent where it could not find out, and before version 0.2. */
  ramBackends: z
    .array(
      z.object({
        id: z.string().min(1).max(MAX_BACKEND_ID),
        size: z.number().int().positive(),
        address: z.number().int().nonnegative().optional(),
        node: z.number().int().nonnegative().optional(),
      }),
    )
    .max(256)
    .optional(),
  /** Bytes of page store that it can hold beside chunks of up to 64 KiB, 128 KiB, … 64 MiB; absent = none. */
  stores: z.array(z.number().int().nonnegative()).max(100).optional(),
  /** Only of `ramferry receive --probe`: the versions of the probe that it serves. It takes no stream. */
  probe: z.array(z.number().int().positive()).max(100).optional(),
  /** How soon after a delivery it tells of it, in milliseconds; absent = every half second. */
  progressInterval: z.number().int().positive().optional(),
  /** Versions of method `xenguest` that it reads; absent = 1. */
  xenguest: z.array(z.number().int().positive()).max(100).optional(),
});

export type Hello = z.infer<typeof helloSchema>;

/** Characters. A label may be as long as a command line; a message may not. */
const LONGEST_TEXT = 4000;

const resultSchema = z.object({
  ok: z.boolean(),
  bytes: z.number().int().nonnegative().optional(),
  chunks: z.number().int().nonnegative().optional(),
  digest: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  error: z
    .object({
      code: z.string().refine(isErrorCode),
      message: z.string().max(LONGEST_TEXT),
      hint: z.string().max(LONGEST_TEXT).optional(),
      record: z.number().optional(),
      offset: z.number().optional(),
      sequence: z.number().optional(),
    })
    .optional(),
});

/** With `ok`: the sums of what was delivered. Without: what failed, and `bytes`, see {@link FailedResult}. */
export type Result = FailedResult | (StatedSums & { readonly ok: true });

export interface FailedResult {
  readonly ok: false;
  /**
   * Decoded bytes that may have reached a program behind the receiver, which may act on them; 0 when the output is a file
   * that did not get its name. Version 0.1 does not say it.
   */
  readonly bytes?: number | undefined;
  readonly error?: ErrorData | undefined;
}

export function helloMessage(hello: Hello): Buffer {
  return writeMessage(MESSAGE.hello, Buffer.from(JSON.stringify(hello)));
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
    message: message.slice(0, LONGEST_TEXT),
    ...(hint === undefined ? {} : { hint: hint.slice(0, LONGEST_TEXT) }),
  };
}

function parse<T>(schema: z.ZodType<T>, body: Buffer, what: string): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch (cause) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', `the receiver's ${what} is not understood`, { cause });
  }
}

export function readHello(body: Buffer): Hello {
  return parse(helloSchema, body, 'first message');
}

export function readResult(body: Buffer): Result {
  const { ok, bytes, chunks, digest, error } = parse(resultSchema, body, 'last message');
  // JSON has no undefined: absent keys are absent here too.
  return ok ? { ok, bytes, chunks, digest } : { ok, bytes, error: error as ErrorData | undefined };
}

/** The receiver's failure as an error of the sender's. */
export function peerFailure(result: FailedResult): RamferryError {
  const error = result.error === undefined ? undefined : fromErrorData(result.error);
  const text = error === undefined ? 'no reason given' : `${error.code}: ${error.describe()}`;
  return new RamferryError('ERR_PEER_FAILED', `the receiver failed: ${text}`, {
    ...(error?.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** What a sender is about to use. */
export interface Offer {
  readonly codec: CodecName;
  readonly maxChunk: number;
  /** Bytes that a receiver has to hold for this stream, at the least. */
  readonly memory: number;
}

/** What the user asked for by name, and what may therefore not be changed. */
export interface Given {
  readonly codec: boolean;
  readonly maxChunk: boolean;
}

/** Chunks have at least this many bytes: a grammar may hold back items of several pages until they are complete. */
const SMALLEST_CHUNK = 65_536;

/** In the order of preference, when the user leaves the codec to us. */
const CODECS_BY_MERIT: readonly CodecName[] = ['zstd', 'lz4', 'zlib', 'none'];

/**
 * The offer as the receiver can take it: another codec or smaller chunks where the user left them open.
 * @throws ERR_LINK_NEGOTIATION naming both lists when there is nothing that both have
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
  const choices = given.codec ? [offer.codec] : [offer.codec, ...CODECS_BY_MERIT];
  const codec = choices.find((name) => hello.codecs.includes(name));
  if (codec === undefined) {
    throw refuse('codec', [...new Set(choices)].join(', '), hello.codecs.join(', '));
  }
  const largest = Math.floor(hello.maxChunk / PAGE_BYTES) * PAGE_BYTES;
  if (largest < SMALLEST_CHUNK || (offer.maxChunk > hello.maxChunk && given.maxChunk)) {
    throw refuse('chunk size', `${offer.maxChunk} bytes`, `at most ${hello.maxChunk} bytes`);
  }
  if (offer.memory > hello.memory) {
    throw refuse('memory need', `${offer.memory} bytes`, `${hello.memory} bytes`);
  }
  return { ...offer, codec, maxChunk: Math.min(offer.maxChunk, largest) };
}
