// How a transfer gets a connection: this side connects, or waits for the other to do so, until the time is over.

import { setTimeout as sleep } from 'node:timers/promises';

import { type RamferryError, toRamferryError } from '../../errors.js';
import type { Joined } from './joining.js';

/** How often a side that waits looks at the time that is left. */
const LOOK_MS = 200;

export interface Wanted {
  /** Milliseconds until the time is over. May fall meanwhile. */
  readonly left: () => number;
  /** Whether the connection is still wanted: false when it has come, and when the transfer has ended. */
  readonly isWanted: () => boolean;
  /** One attempt to connect and to present the transfer. Absent where the other side connects. @param left milliseconds */
  readonly attempt: ((left: number) => Promise<Joined>) | undefined;
  readonly onJoined: (joined: Joined) => void;
}

/**
 * Resolves when there is a connection, and when none is wanted any more.
 * @returns why there is none, when the time is over
 */
export async function heal(wanted: Wanted, reason: RamferryError): Promise<RamferryError | undefined> {
  // An attempt may take seconds. Time in which nothing asks for it counts as a pause of this process (AwakeDeadline).
  const clock = setInterval(() => wanted.left(), LOOK_MS);
  try {
    return await untilJoined(wanted, reason);
  } finally {
    clearInterval(clock);
  }
}

async function untilJoined(wanted: Wanted, reason: RamferryError): Promise<RamferryError | undefined> {
  const { isWanted, attempt, onJoined } = wanted;
  let last = reason;
  while (isWanted()) {
    const left = wanted.left();
    if (left <= 0) return last;
    if (attempt === undefined) {
      await sleep(Math.min(left, LOOK_MS));
      continue;
    }
    try {
      const joined = await attempt(left);
      if (isWanted()) onJoined(joined);
      else void joined.channel.sink!.abort();
    } catch (thrown) {
      last = toRamferryError(thrown, 'ERR_LINK_CONNECT');
    }
  }
  return undefined;
}

/** What another connection may mend. A packet that is damaged or cut arrives again. */
const MENDABLE: ReadonlySet<string> = new Set([
  'ERR_LINK_CLOSED',
  'ERR_LINK_TIMEOUT',
  'ERR_STREAM_CHECKSUM',
  'ERR_STREAM_LIMIT',
  'ERR_STREAM_TRUNCATED',
]);

export function isMendable({ code }: RamferryError): boolean {
  return MENDABLE.has(code);
}
