// What the destination of a shared-memory migration says to the source, and the source's one word (docs/SHARED-MEMORY.md).
// They travel as messages of the way back (control/messages.ts), so that a watchdog that holds a copy of the socket can
// read and write them without the engine. Packs, unpacks, and finds one among other bytes.

import { Buffer } from 'node:buffer';

import { z } from 'zod';

import {
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  messageRest,
  readMessage,
  writeMessage,
} from '../../control/messages.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';

const reason = z.string().max(4000);

const sayingSchema = z.discriminatedUnion('say', [
  /** All of RAM is in its place. */
  z.object({ say: z.literal('ram-applied') }),
  /**
   * The stream is whole, QEMU has loaded the devices. Where the source asked for it: the hash of each memory backend by its
   * id, or one of all RAM where regions were not matched.
   */
  z.object({
    say: z.literal('ready'),
    hash: z.string().max(100).optional(),
    hashes: z.record(z.string(), z.string().max(100)).optional(),
  }),
  /** The guest runs here: handed over. */
  z.object({ say: z.literal('running') }),
  /** It does not run here, and never will. */
  z.object({ say: z.literal('refused'), reason }),
  /** Whether it runs here cannot be said. */
  z.object({ say: z.literal('unknown'), reason }),
]);

export type Saying = z.infer<typeof sayingSchema>;

/** How the hand-over ended, as the destination says it. */
export type Verdict = Extract<Saying, { say: 'running' | 'refused' | 'unknown' }>;

export function isVerdict(saying: Saying): saying is Verdict {
  return saying.say === 'running' || saying.say === 'refused' || saying.say === 'unknown';
}

/** The body of the message; see {@link sayingMessage} for the whole of it. */
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
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'what the destination says is not understood', {
      cause,
      hint: 'use the same ramferry on both sides',
    });
  }
}

/** The source's word: the guest is yours now. */
export function goMessage(): Buffer {
  return writeMessage(MESSAGE.go, Buffer.alloc(0));
}

/**
 * Waits for the source's word, which follows the stream on the same connection; not a byte more is read.
 * @throws ERR_LINK_CLOSED when it is anything else, or the end; what reading throws
 */
export async function readGo(source: ByteSource): Promise<void> {
  const word = Buffer.alloc(goMessage().length);
  const reader = new ExactReader(source, undefined, true);
  let cause: unknown;
  try {
    if ((await reader.fill(word)) && word.equals(goMessage())) return;
  } catch (thrown) {
    if (toRamferryError(thrown).code !== 'ERR_STREAM_TRUNCATED') throw thrown;
    cause = thrown;
  }
  throw new RamferryError('ERR_LINK_CLOSED', 'the source has taken the guest back', { cause });
}

/**
 * The verdict among what came from the destination, wherever it begins: the first part of the bytes may have gone to
 * somebody who is dead.
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
