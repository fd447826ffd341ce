// Levels of codecs, in QEMU's sense: 0 means stored, 1 is the fastest usual level. Checks that a binding accepts a level;
// knows nothing of its effect.

import { RamferryError } from '../errors.js';
import type { LevelRange } from './codec.js';

/** @throws RamferryError ERR_OPTION_INVALID when the level is no integer or outside the range; 0 always passes. */
export function checkLevel(codec: string, level: number, range: LevelRange): void {
  if (level === 0 || (Number.isInteger(level) && level >= range.min && level <= range.max)) return;
  throw new RamferryError('ERR_OPTION_INVALID', `codec ${codec} has no level ${level}`, {
    hint: `use 0 (stored) or ${range.min} to ${range.max}`,
  });
}
