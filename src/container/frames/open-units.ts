// Opens what a worker needs for units of one format. One per thread.

import { openZstd, type OpenOptions } from '../../codec/registry.js';
import { gzipUnits } from './gzip/unit.js';
import { lz4Units } from './lz4/unit.js';
import type { FrameFormat } from './record.js';
import type { UnitCoder } from './unit.js';
import { zstdUnits } from './zstd/unit.js';

/** @param options which zstd binding; the other formats have one each. Throws ERR_CODEC_UNAVAILABLE. */
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
