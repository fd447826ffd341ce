// How long a sender waits for the result of a receiver that has the whole stream and says again and again that it lives: its own output, a hypervisor or
// a command, may never end. What the output takes restarts the limit.

import type { ControlReader } from '../../control/channel.js';
import { RamferryError } from '../../errors.js';
import { AwakeTimer } from '../../os/time/awake-timer.js';

/** The limit in multiples of --io-timeout: 10 minutes by default. A receiver that waits for its disk (fsync) takes no byte for minutes. */
const IO_TIMEOUTS = 20;

/** @returns milliseconds; 0 = no limit */
export function stallLimit(ioTimeout: number): number {
  return ioTimeout * IO_TIMEOUTS;
}

/**
 * @param result of the receiver
 * @param limit milliseconds without a delivered byte; 0 = no limit
 * @returns the result
 * @throws ERR_LINK_TIMEOUT when the limit is over, or as `result`
 */
export async function unlessStalled<T>(
  result: Promise<T>,
  control: Pick<ControlReader, 'onDelivered'>,
  limit: number,
): Promise<T> {
  if (limit === 0) return result;
  let timer: AwakeTimer | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = AwakeTimer.start(limit, () => reject(stall(limit)));
  });
  let delivered = 0;
  let isOver = false;
  control.onDelivered((bytes) => {
    if (isOver || bytes <= delivered) return;
    delivered = bytes;
    timer?.restart();
  });
  try {
    return await Promise.race([result, stalled]);
  } finally {
    isOver = true;
    timer?.cancel();
  }
}

class Stall extends RamferryError {}

/** Whether the limit of `unlessStalled` was over. */
export function isStall(thrown: unknown): boolean {
  return thrown instanceof Stall;
}

function stall(limit: number): RamferryError {
  return new Stall(
    'ERR_LINK_TIMEOUT',
    `the receiver has the whole stream, but its output has taken nothing for ${limit / 1000} s and has not ended`,
    { hint: 'look at the program behind the receiver; a larger --io-timeout gives it more time, 0 all time' },
  );
}
