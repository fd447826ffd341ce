// The levels that every zstd binding here accepts. One range for all, so that a setting does not depend on what is
// installed: libzstd itself goes from -131072 to 22, but levels below -50 hardly compress and those above 19 need windows
// and memory that a chunk has no use for.

import type { LevelRange } from './codec.js';

export const ZSTD_LEVELS: LevelRange = { min: -50, max: 19, default: 1, effective: true };
