// Whether the program behind a pipe or a connection on this host has read what was written to it. What lies in the kernel when
// that program dies is lost, although every write has succeeded. Over tcp only the other kernel's acknowledgement is seen.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../errors.js';
import { libc } from '../../os/libc.js';

/** How often it is looked, and how long a peer that closed may take to show whether bytes were left unread. */
const LOOK_MS = 10;
const CLOSED_MS = 1_000;

export interface Writing {
  readonly label: string;
  /** Undefined once it is closed on this side. */
  fd(): number | undefined;
  /** Bytes written and not read. */
  queued(): number;
  /** Why the connection failed: a peer that closes with bytes unread resets it. */
  failure(): RamferryError | undefined;
  /** The peer has ended its own direction in order. True of a pipe, which has none. */
  ended(): boolean;
}

/**
 * Resolves when everything was read. Waits as long as the reader keeps its end open.
 * @throws what the connection failed with, or ERR_OUTPUT_WRITE when the reader has closed its end before
 */
export async function waitTaken(writing: Writing): Promise<void> {
  const calls = libc();
  let closed = 0;
  for (;;) {
    const failure = writing.failure();
    if (failure !== undefined) throw failure;
    const fd = writing.fd();
    if (fd === undefined || calls === undefined) return;
    const empty = writing.queued() === 0;
    // Asked for no event, poll(2) tells only that the other end is gone. Asked after the count: what a unix socket had not
    // read goes with it, and then only the order in which its end came tells that nothing was left.
    const gone = (await calls.poll(fd, 0, 0)) !== 0;
    if (empty && (!gone || writing.ended())) return;
    if (gone) closed += LOOK_MS;
    if (closed > CLOSED_MS) throw closedEarly(writing.label);
    await sleep(LOOK_MS);
  }
}

export function closedEarly(label: string, cause?: unknown): RamferryError {
  return new RamferryError(
    'ERR_OUTPUT_WRITE',
    `${label} was closed by its reader before it had taken the whole stream`,
    {
      hint: 'the program that reads it failed: see its own messages',
      cause,
    },
  );
}
