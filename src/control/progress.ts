// The body of a progress message (docs/FORMAT.md, "The way back"): the bytes that the receiver acknowledges, and how long it has waited
// for the link. Packs and unpacks only.

import { Buffer } from 'node:buffer';

import type { Waiting } from '../io/waiting-source.js';

export interface Progress {
  /** Decoded bytes delivered so far. */
  readonly delivered: number;
  /** How long the receiver has waited for its link; absent where it does not report it. */
  readonly waiting?: Waiting;
}

const BYTES_WITHOUT_WAITING = 8;
const BYTES_WITH_WAITING = 24;

export function progressBody({ delivered, waiting }: Progress): Buffer {
  const body = Buffer.alloc(waiting === undefined ? BYTES_WITHOUT_WAITING : BYTES_WITH_WAITING);
  body.writeBigUInt64LE(BigInt(delivered), 0);
  if (waiting !== undefined) {
    body.writeBigUInt64LE(BigInt(Math.round(waiting.clock)), 8);
    body.writeBigUInt64LE(BigInt(Math.round(waiting.waited)), 16);
  }
  return body;
}

/** @returns undefined when the body has another length */
export function readProgress(body: Buffer): Progress | undefined {
  if (body.length !== BYTES_WITHOUT_WAITING && body.length !== BYTES_WITH_WAITING) return undefined;
  const delivered = Number(body.readBigUInt64LE(0));
  if (body.length === BYTES_WITHOUT_WAITING) return { delivered };
  const waiting = { clock: Number(body.readBigUInt64LE(8)), waited: Number(body.readBigUInt64LE(16)) };
  return { delivered, waiting };
}
