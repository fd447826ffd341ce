// The messages of a shared-memory migration: those of the destination, and the source's GO (docs/SHARED-MEMORY.md).
// They are control messages (control/messages.ts), so that a watchdog with a copy of the socket can read and write them without
// the engine. Packs, unpacks, and finds a message among other bytes.

import { Buffer } from 'node:buffer';

import * as z from 'zod';

import {
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  messageRest,
  readMessage,
  writeMessage,
} from '../../control/messages.js';
import type { Result } from '../../control/negotiation.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';

const reason = z.string().max(4000);

const sayingSchema = z.discriminatedUnion('say', [
  /** All of RAM is written. */
  z.object({ say: z.literal('ram-applied') }),
  /**
   * The stream is complete, and QEMU has loaded the devices. With the hashes that the source asked for: of each memory backend by
   * its id, or one of all RAM where regions were not matched.
   */
  z.object({
    say: z.literal('ready'),
    hash: z.string().max(100).optional(),
    hashes: z.record(z.string(), z.string().max(100)).optional(),
  }),
  /** The guest runs here: the handover is complete. */
  z.object({ say: z.literal('running') }),
  /** The guest does not run here, and never will. */
  z.object({ say: z.literal('refused'), reason }),
  /** The destination does not know whether the guest runs here. */
  z.object({ say: z.literal('unknown'), reason }),
]);

export type Saying = z.infer<typeof sayingSchema>;

/** The destination's report on how the handover ended. */
export type Verdict = Extract<Saying, { say: 'running' | 'refused' | 'unknown' }>;

export function isVerdict(saying: Saying): saying is Verdict {
  return saying.say === 'running' || saying.say === 'refused' || saying.say === 'unknown';
}

/** The verdict in the result that the destination keeps for a source whose link broke. */
export function verdictIn(result: Result): Verdict {
  if (result.ok) return { say: 'running' };
  const reason = result.error?.message ?? 'no reason given';
  return { say: result.handover === 'refused' ? 'refused' : 'unknown', reason };
}

/** The body of the message; {@link sayingMessage} gives the whole message. */
export function sayingBody(saying: Saying): Buffer {
  const shortened = 'reason' in saying ? { ...saying, reason: saying.reason.slice(0, 1000) } : saying;
  return Buffer.from(JSON.stringify(shortened));
}

export function sayingMessage(saying: Saying): Buffer {
  return writeMessage(MESSAGE.backward, sayingBody(saying));
}

/** @throws ERR_LINK_NEGOTIATION */
export function readSaying(body: Buffer): Saying {
  try {
    return sayingSchema.parse(JSON.parse(body.toString('utf8')));
  } catch (cause) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'the destination sent an unknown message', {
      cause,
      hint: 'use the same ramferry on both sides',
    });
  }
}

/** GO: from here on the destination owns the guest. */
export function goMessage(): Buffer {
  return writeMessage(MESSAGE.go, Buffer.alloc(0));
}

/**
 * Waits for GO, which follows the stream on the same connection; reads no byte behind it.
 * @throws ERR_LINK_CLOSED for other bytes or the end of the connection; and the errors of reading
 */
export async function readGo(source: ByteSource): Promise<void> {
  const go = Buffer.alloc(goMessage().length);
  const reader = new ExactReader(source, undefined, true);
  let cause: unknown;
  try {
    if ((await reader.fill(go)) && go.equals(goMessage())) return;
  } catch (thrown) {
    if (toRamferryError(thrown).code !== 'ERR_STREAM_TRUNCATED') throw thrown;
    cause = thrown;
  }
  throw new RamferryError('ERR_LINK_CLOSED', 'the source has taken the guest back', { cause });
}

/**
 * Finds the verdict in the destination's bytes. They may begin within a message: a killed ramferry may have read the first part.
 */
export function findVerdict(bytes: Buffer): Verdict | undefined {
  const start = Buffer.from('{"say":"');
  for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, at + 1)) {
    const saying = sayingAt(bytes, at - MESSAGE_HEADER_BYTES);
    if (saying !== undefined && isVerdict(saying)) return saying;
  }
  return undefined;
}

function sayingAt(bytes: Buffer, at: number): Saying | undefined {
  if (at < 0) return undefined;
  try {
    const header = bytes.subarray(at, at + MESSAGE_HEADER_BYTES);
    const whole = bytes.subarray(at, at + MESSAGE_HEADER_BYTES + messageRest(header));
    const { type, body } = readMessage(whole);
    return type === MESSAGE.backward ? readSaying(body) : undefined;
  } catch {
    return undefined;
  }
}
