// The messages of a probe (docs/FORMAT.md, "The probe"): packs and checks their bodies. Pure.

import { Buffer } from 'node:buffer';

import * as z from 'zod';

import { RamferryError } from '../../errors.js';

/** Version of the exchange. */
export const PROBE_VERSION = 1;

/** Bytes of one load. */
export const MAX_LOAD = 2 ** 40;

const positive = z.number().positive();

const loadedSchema = z.object({
  /** Bytes that arrived, and seconds from the first to the last of them. */
  bytes: z.number().int().nonnegative(),
  seconds: z.number().nonnegative(),
  /** The same of the last three quarters: at first, buffers take bytes faster than the link. */
  tailBytes: z.number().int().nonnegative(),
  tailSeconds: z.number().nonnegative(),
});
export type Loaded = z.infer<typeof loadedSchema>;

const scaling = z
  .array(z.object({ threads: z.number().int().min(1).max(255), speedup: positive }))
  .min(1)
  .max(255);

const speedSchema = z.object({
  /** CPUs that ramferry may use there, control groups included. */
  cpus: z.number().int().min(1),
  /** Seconds of processor time of one thread for a byte of the test memory. */
  decodePerByte: positive,
  /** How much faster more threads decompress. */
  scaling,
});
export type Speed = z.infer<typeof speedSchema>;

export function loadBody(bytes: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64LE(BigInt(bytes));
  return body;
}

/** @throws ERR_LINK_NEGOTIATION */
export function readLoad(body: Buffer): number {
  const bytes = body.length === 8 ? Number(body.readBigUInt64LE(0)) : -1;
  if (bytes < 0 || bytes > MAX_LOAD) throw notUnderstood();
  return bytes;
}

export function json(value: Loaded | Speed): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** @throws ERR_LINK_NEGOTIATION */
export const readLoaded = (body: Buffer): Loaded => parse(loadedSchema, body);
/** @throws ERR_LINK_NEGOTIATION */
export const readSpeed = (body: Buffer): Speed => parse(speedSchema, body);

function parse<T>(schema: z.ZodType<T>, body: Buffer): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch (cause) {
    throw notUnderstood(cause);
  }
}

function notUnderstood(cause?: unknown): RamferryError {
  return new RamferryError(
    'ERR_LINK_NEGOTIATION',
    'what the other side of the probe said is not understood',
    {
      cause,
      hint: 'are both sides of the same version?',
    },
  );
}
