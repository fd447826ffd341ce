// Opens the coder for units of one format. Each worker thread opens its own.

import { openZstd, type OpenOptions } from '../../codec/registry.js';
import { gzipUnits } from './gzip/unit.js';
import { lz4Units } from './lz4/unit.js';
import type { FrameFormat } from './record.js';
import type { UnitCoder } from './unit.js';
import { zstdUnits } from './zstd/unit.js';

/** @param options choose the zstd binding; each other format has one binding @throws ERR_CODEC_UNAVAILABLE */
export function openUnits(format: FrameFormat, options: OpenOptions = {}): UnitCoder {
  switch (format) {
    case 'zstd':
      return zstdUnits(openZstd(options));
    case 'lz4':
      return lz4Units();
    case 'zlib':
      return gzipUnits();
  }
}
