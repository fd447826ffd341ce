// What page deltas gain on a guest's own memory. Pages that differ between two images pass the real workers, once whole and once
// against a page store that holds the older image. Takes images in regular files only.

import { RamferryError } from '../../errors.js';
import { parseAddress } from '../../link/address.js';
import { openInput } from '../../link/open.js';
import { invalidOption } from '../../units.js';
import type { DeltaFigures } from './result.js';
import { benchRow } from './row.js';
import { changedPages } from '../measure/changed-pages.js';
import type { TuneInput } from '../measure/input.js';
import { REFERENCE } from '../measure/measurements.js';
import { type Coding, CodecRig } from '../measure/codec-rig.js';

export interface DeltaOptions {
  /** Address of the older image. */
  readonly before: string;
  readonly input: TuneInput;
  readonly codings: readonly Coding[];
  readonly repetitions: number;
  readonly zstdBinding?: string | undefined;
  readonly onProgress?: (coding: Coding) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves with undefined when no page has changed.
 * @throws ERR_OPTION_INVALID where one of the two is no image, or they differ in size; ERR_CODEC_UNAVAILABLE
 */
export async function benchDelta(options: DeltaOptions): Promise<DeltaFigures | undefined> {
  const { before, input, codings, repetitions, zstdBinding, signal } = options;
  if (input.fd < 0)
    throw invalidOption('before', before, 'deltas are measured between two RAM images in files');
  const source = (await openInput(parseAddress(before), { signal, ioTimeout: 0 })).source!;
  try {
    const { file } = source;
    if (file?.size !== input.sample.bytes) {
      throw new RamferryError(
        'ERR_OPTION_INVALID',
        `before: expected a RAM image in a file, of ${input.sample.bytes} bytes as the other one, got ${before}`,
      );
    }
    const changed = changedPages(input.fd, file.fd, input.sample.regions);
    if (changed.regions.length === 0) return undefined;
    const bytes = changed.before.length;
    const rows: DeltaFigures['rows'][number][] = [];
    for (const coding of codings.filter(({ chunkSize }) => chunkSize === REFERENCE.chunkSize)) {
      signal?.throwIfAborted();
      options.onProgress?.(coding);
      const measured = async (older?: Buffer) => {
        const rig = new CodecRig({ fd: -1, threads: 1, zstdBinding, before: older });
        try {
          return await benchRow(rig, coding, changed.regions, repetitions, undefined);
        } finally {
          await rig.close();
        }
      };
      rows.push({ plain: await measured(), delta: await measured(changed.before) });
    }
    return { before, changed: changed.share, bytes, rows };
  } finally {
    await source.close();
  }
}
