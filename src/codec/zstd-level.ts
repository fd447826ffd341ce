// The levels that every zstd binding here accepts: one range for all, so that a setting does not depend on the installation.
// libzstd itself accepts -131072 to 22. Levels below -50 hardly compress; levels above 19 need windows and memory that do not help
// a chunk.

import type { LevelRange } from './codec.js';

export const ZSTD_LEVELS: LevelRange = { min: -50, max: 19, default: 1, effective: true };
