// What a transfer takes besides the flow of data: the command's start, its threads, code that is not compiled yet, and the first and
// last messages with the other side. Computed from a timed command and the model's prediction for its data. Pure.

import type { CommandTime } from './costs.js';
import { type StretchCost, predict, type Route } from './model.js';

/**
 * Seconds that the command `send` took beyond the flow of data that the model expects.
 *
 * Other programs on the same processors lengthen its wall time but not its processor time, above all a receiver on the same host
 * that warms up while it listens. Processor time is larger than wall time where threads start side by side on several
 * processors. So neither is too small, and the smaller counts.
 * @param command with one thread on each side, over a link that does not limit
 * @param part the regions that it sent, once each
 */
export function startUp(command: CommandTime, part: readonly StretchCost[], route: Route): number {
  const stretches = part.map((stretch) => ({ ...stretch, weight: 1 }));
  const flow = predict(
    stretches,
    { compress: 1, decompress: 1 },
    { ...route, linkRate: Infinity, startUp: 0 },
  );
  const wall = command.wall - flow.seconds;
  const cpu = Number.isNaN(command.cpu) ? wall : command.cpu - flow.senderCpu;
  return Math.max(0, Math.min(wall, cpu));
}
