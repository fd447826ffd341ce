// Levels of codecs, in QEMU's sense: 0 means stored, 1 is the fastest usual level. Checks that a binding accepts a level;
// knows nothing of its effect.

import { RamferryError } from '../errors.js';
import type { LevelRange } from './codec.js';

/**
 * The levels that every zstd binding here accepts: one range for all, so that a setting does not depend on the installation.
 * libzstd itself accepts -131072 to 22. Levels below -50 hardly compress; levels above 19 need windows and memory that do not help
 * a chunk.
 */
export const ZSTD_LEVELS: LevelRange = { min: -50, max: 19, default: 1, effective: true };

/** @throws RamferryError ERR_OPTION_INVALID when the level is no integer or outside the range; 0 always passes. */
export function checkLevel(codec: string, level: number, range: LevelRange): void {
  if (level === 0 || (Number.isInteger(level) && level >= range.min && level <= range.max)) return;
  throw new RamferryError('ERR_OPTION_INVALID', `codec ${codec} has no level ${level}`, {
    hint: `use 0 (stored) or ${range.min} to ${range.max}`,
  });
}
