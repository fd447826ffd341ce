// Waits until the reader of a pipe or a local connection has read everything. When that program dies, the bytes in the kernel's
// buffer are lost, although every write has succeeded. Over tcp only the acknowledgement of the peer's kernel is visible.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../errors.js';
import { libc } from '../../os/libc.js';

/** Time between two checks. */
const POLL_INTERVAL_MS = 10;
/** How long after the reader's close the kernel may take to show whether bytes were left unread. */
const CLOSED_MS = 1_000;

export interface Writing {
  readonly label: string;
  /** The descriptor; undefined when this side has closed it. */
  fd(): number | undefined;
  /** Bytes that were written and not yet read. */
  queued(): number;
  /** The failure of the connection: a peer that closes with unread bytes resets it. */
  failure(): RamferryError | undefined;
  /** Whether the peer has ended its own direction in order. True for a pipe, which has no other direction. */
  ended(): boolean;
}

/**
 * Resolves when everything has been read. Waits as long as the reader keeps its end open.
 * @throws the failure of the connection, or ERR_OUTPUT_WRITE when the reader has closed its end with bytes unread
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
    // With no requested event, poll(2) reports only that the other end is closed. The call must follow the count: when a unix
    // socket closes, its unread bytes vanish from the count. Then only an orderly end (`ended`) proves that none was left.
    const gone = (await calls.poll(fd, 0, 0)) !== 0;
    if (empty && (!gone || writing.ended())) return;
    if (gone) closed += POLL_INTERVAL_MS;
    if (closed > CLOSED_MS) throw closedEarly(writing.label);
    await sleep(POLL_INTERVAL_MS);
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
