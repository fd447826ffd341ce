// What happens between two connections of a transfer: this side connects again, or waits for the other to do so, until the time is over.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../errors.js';
import { AwakeDeadline } from '../../os/awake-timer.js';
import type { Joined } from './joining.js';

/** How often a side that waits looks at the time that is left. */
const LOOK_MS = 200;

export interface Broken {
  readonly label: string;
  /** Milliseconds from the break to the end of the transfer. May fall meanwhile. */
  readonly limit: () => number;
  /** Whether a connection is still wanted: false when one has come, and when the transfer has ended. */
  readonly isWanted: () => boolean;
  /** One attempt to connect and to present the transfer. @param left milliseconds */
  readonly attempt: ((left: number) => Promise<Joined>) | undefined;
  readonly onJoined: (joined: Joined) => void;
}

/**
 * Resolves when there is a connection, or when none is wanted any more.
 * @throws ERR_LINK_TIMEOUT when the time is over
 */
export async function heal(broken: Broken, reason: RamferryError): Promise<void> {
  const { label, limit, isWanted, attempt, onJoined } = broken;
  let last = reason;
  const clock = new AwakeDeadline(0);
  while (isWanted()) {
    const left = limit() + clock.left;
    if (left <= 0) throw gone(label, limit(), last);
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

function gone(label: string, limit: number, cause: RamferryError): RamferryError {
  return new RamferryError(
    'ERR_LINK_TIMEOUT',
    `the link to ${label} broke and did not come back within ${limit / 1000} s: ${cause.message}`,
    { cause, hint: 'check the network and the other side, or allow more time with --reconnect' },
  );
}
