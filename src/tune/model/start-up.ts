// What a transfer takes besides the flow of data: the command's start, its threads, code that is not compiled yet, the first and
// the last words with the other side. From a command that was timed, and what the model says of its data. Pure.

import type { CommandTime } from './costs.js';
import { type StretchCost, predict, type Route } from './model.js';

/**
 * Seconds that the command `send` took beyond the flow of data that the model expects.
 *
 * Whoever shares processors with it makes its time longer, above all a receiver on the same host that rehearses while it
 * listens; but not its processor time. That is larger where threads start side by side on several processors. So neither is too
 * small, and the smaller counts.
 * @param command with one thread on each side, over a link that does not limit
 * @param part the regions that it sent, once each
 */
export function startUp(command: CommandTime, part: readonly StretchCost[], route: Route): number {
  const loads = part.map((load) => ({ ...load, weight: 1 }));
  const flow = predict(loads, { compress: 1, decompress: 1 }, { ...route, linkRate: Infinity, startUp: 0 });
  const wall = command.wall - flow.seconds;
  const cpu = Number.isNaN(command.cpu) ? wall : command.cpu - flow.senderCpu;
  return Math.max(0, Math.min(wall, cpu));
}
