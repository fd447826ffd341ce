// Which settings `--verify` runs: the recommendation, and settings that differ from it in one thing. Pure.

import type { Choice } from './recommend.js';
import type { Route, Threads } from '../model/model.js';
import type { VerifiedRole } from './verification.js';
import type { Settings } from './recommend.js';

export interface Contender {
  readonly role: VerifiedRole;
  readonly settings: Settings;
}

/** No compression is run only where it takes at most this many times as long: a longer run would show nothing new. */
const WORTH_WAITING = 4;

/**
 * The recommendation first; then the next lower and the next higher level, another chunk size, a thread more and a thread
 * less, and no compression.
 * @param choices every coding that was measured, with its threads
 */
export function contenders(best: Choice, choices: readonly Choice[], route: Route): Contender[] {
  const own = best.settings;
  const kin = (level: boolean, chunk: boolean): Choice[] =>
    choices.filter(
      ({ settings }) =>
        settings.codec === own.codec &&
        (settings.level === own.level) === level &&
        (settings.chunkSize === own.chunkSize) === chunk,
    );
  const levels = kin(false, true).sort((a, b) => a.settings.level - b.settings.level);
  const lower = levels.filter(({ settings }) => settings.level < own.level).at(-1);
  const higher = levels.find(({ settings }) => settings.level > own.level);
  const resized = kin(true, false).sort((a, b) => a.prediction.seconds - b.prediction.seconds)[0];
  const around = [lower, higher, resized].filter((choice) => choice !== undefined);
  const { compress, decompress } = own.threads;
  const threads: Threads[] = [
    ...(compress > 1 ? [{ compress: compress - 1, decompress }] : []),
    ...(compress < route.sender.cpus ? [{ compress: compress + 1, decompress }] : []),
  ];
  const plain = choices.find(({ settings }) => settings.codec === 'none');
  const neighbour = (settings: Settings): Contender => ({ role: 'neighbour', settings });
  return [
    { role: 'recommended', settings: own },
    ...around.map(({ settings }) => neighbour(settings)),
    ...threads.map((count) => neighbour({ ...own, threads: count })),
    ...(plain === undefined ||
    own.codec === 'none' ||
    plain.prediction.seconds > best.prediction.seconds * WORTH_WAITING
      ? []
      : [{ role: 'no compression' as const, settings: plain.settings }]),
  ];
}
