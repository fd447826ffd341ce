// `connectAgain`: connects after a broken link, for nothing but the outcome of a transfer. It tries until a connection succeeds, the other
// process is gone, or the time is over.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../errors.js';
import { systemCode } from '../io/system-error.js';
import type { Address } from '../link/address.js';
import { connectTo } from '../link/connect.js';
import type { OpenOptions } from '../link/options.js';
import { checkSamePeer, type PeerLink } from '../link/peer-link.js';
import { withDeadline } from '../os/time/deadline.js';

const PAUSE_MS = 200;
const ATTEMPT_MS = 2_000;
/** Most silence on such a connection: the side that has the outcome, or waits for it, says something every half second. */
const SILENCE_MS = 5_000;
/** After so many milliseconds in which each attempt was refused or closed at once, the process on the other side is gone. */
const REFUSED_MS = 2_000;

export interface Attempts {
  readonly address: Address;
  readonly opening: OpenOptions;
  /** Whom the first connection's certificate named. */
  readonly identity: string | undefined;
  /** Milliseconds for all attempts. */
  readonly most: number;
  /** Ends the attempts. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param talk what is done on a connection
 * @returns what `talk` returns first; undefined when that is not to be had. Never rejects
 */
export async function connectAgain<T>(
  { address, opening, identity, most, signal }: Attempts,
  talk: (link: PeerLink) => Promise<T>,
): Promise<T | undefined> {
  if (address.kind !== 'tcp' && address.kind !== 'unix') return undefined;
  const until = performance.now() + most;
  let refusedSince: number | undefined;
  const plain: OpenOptions = {
    ...opening,
    ...{ greeting: undefined, peer: undefined, upgrade: undefined, onDoor: undefined },
  };
  while (performance.now() < until && signal?.aborted !== true && opening.signal?.aborted !== true) {
    const began = performance.now();
    let link: PeerLink | undefined;
    try {
      link = await connectTo(address, { ...plain, connectTimeout: ATTEMPT_MS / 4, ioTimeout: SILENCE_MS });
      checkSamePeer(link, identity);
      // A receiver may say for ever that its program takes its time.
      const left = Math.max(0, until - performance.now());
      const late = new RamferryError('ERR_LINK_TIMEOUT', `${link.source!.label} gave no outcome in time`);
      return await withDeadline(talk(link), left, () => Promise.reject(late));
    } catch (thrown) {
      await link?.sink!.abort();
      if (isRefusal(thrown, link !== undefined)) refusedSince ??= began;
      else refusedSince = undefined;
      if (refusedSince !== undefined && performance.now() - refusedSince >= REFUSED_MS) return undefined;
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** The other host, or what stands before it, has answered, and nobody is there who knows the transfer. */
function isRefusal(thrown: unknown, wasConnected: boolean): boolean {
  const { code, cause } = toRamferryError(thrown, 'ERR_LINK_CLOSED');
  if (wasConnected) return code !== 'ERR_LINK_TIMEOUT';
  return ['ECONNREFUSED', 'ENOENT', 'ECONNRESET'].includes(systemCode(cause) ?? '');
}
