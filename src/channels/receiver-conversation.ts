// The receiver's end of the connection without a stream (docs/FORMAT.md, "Several connections of a hypervisor"): hears that no more connections come,
// or that this connection is lost. The streams have connections of their own, and each tells how it ended.

import { KEEP_ALIVE_MS } from '../control/writer.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { deferred } from '../os/deferred.js';
import type { Introduced } from '../serve/introductions.js';

/**
 * Tells the sender that this side lives, and waits for the end of the connection.
 * @param ioTimeout milliseconds in which the other host must take what was written; 0 = no limit
 * @returns undefined when the sender has said that no more connections come; else what the connection was lost of
 * @throws ERR_LINK_NEGOTIATION when the sender says anything
 */
export async function endOfConversation(
  { accepted, control }: Introduced,
  ioTimeout: number,
): Promise<RamferryError | undefined> {
  const source = accepted.link.source!;
  control.place({ ahead: 0 });
  control.reportProgress(() => ({ delivered: 0 }), KEEP_ALIVE_MS);
  // The sender says nothing here. That its host is gone shows in what it does not take.
  source.patience?.(0);
  const stuck = deferred<RamferryError>();
  let takenAt = performance.now();
  const timer = setInterval(() => {
    if (accepted.link.sink!.queued() === 0) takenAt = performance.now();
    else if (ioTimeout > 0 && performance.now() - takenAt > ioTimeout) stuck.resolve(gone(source.label));
  }, KEEP_ALIVE_MS);
  const read = source.read(new Uint8Array(1)).then(
    (got) => {
      if (got > 0) throw new RamferryError('ERR_LINK_NEGOTIATION', 'the sender says what has no place here');
      return undefined;
    },
    (thrown: unknown) => toRamferryError(thrown),
  );
  try {
    return await Promise.race([read, stuck.promise]);
  } finally {
    clearInterval(timer);
  }
}

function gone(label: string): RamferryError {
  return new RamferryError('ERR_LINK_TIMEOUT', `the sender at ${label} takes nothing any more`, {
    hint: 'check the other host and the network',
  });
}
