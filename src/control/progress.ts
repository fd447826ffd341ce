// The receiver's word of how far it is, and of how much it waits (docs/FORMAT.md, "The way back"): the body of a progress
// message. Packs and unpacks; knows nothing of what a sender concludes from it.

import { Buffer } from 'node:buffer';

import type { Waiting } from '../io/waiting-source.js';

export interface Progress {
  /** Decoded bytes delivered so far. */
  readonly delivered: number;
  /** How long it has waited for its link; absent where it does not say. */
  readonly waiting?: Waiting;
}

const SHORT_BYTES = 8;
const WHOLE_BYTES = 24;

export function progressBody({ delivered, waiting }: Progress): Buffer {
  const body = Buffer.alloc(waiting === undefined ? SHORT_BYTES : WHOLE_BYTES);
  body.writeBigUInt64LE(BigInt(delivered), 0);
  if (waiting !== undefined) {
    body.writeBigUInt64LE(BigInt(Math.round(waiting.clock)), 8);
    body.writeBigUInt64LE(BigInt(Math.round(waiting.waited)), 16);
  }
  return body;
}

/** Undefined when the body is none. */
export function readProgress(body: Buffer): Progress | undefined {
  if (body.length !== SHORT_BYTES && body.length !== WHOLE_BYTES) return undefined;
  const delivered = Number(body.readBigUInt64LE(0));
  if (body.length === SHORT_BYTES) return { delivered };
  const waiting = { clock: Number(body.readBigUInt64LE(8)), waited: Number(body.readBigUInt64LE(16)) };
  return { delivered, waiting };
}
