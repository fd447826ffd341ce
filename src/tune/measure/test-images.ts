// Synthetic images to measure the engine with. The work of its main threads depends on the number of bytes and chunks, not on their
// contents. A transfer must be long, so that this work is large beside one-time costs. Zeros are holes in a file, on a
// file system in memory where there is one: then neither disk nor page cache holds them.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../units.js';

const MEMORY = '/dev/shm';

export const IMAGE_BYTES = {
  /** Zero pages: next to nothing on the link. */
  zeros: 512 * MIB,
  fewZeros: 128 * MIB,
  /** As large as fewZeros, of random bytes that are neither left out nor shrink. */
  random: 128 * MIB,
} as const;
export type TestImage = keyof typeof IMAGE_BYTES;

export interface TestImages {
  readonly paths: Readonly<Record<TestImage, string>>;
  /** Called when the process exits, too. */
  remove(): void;
}

/** Bytes of the random block that repeats. */
const BLOCK = 4 * MIB;

/**
 * @param scratch a directory for the random image
 * @param share of {@link IMAGE_BYTES}, for a short budget; whole blocks
 */
export function makeTestImages(scratch: string, share = 1): TestImages {
  const sized = (name: TestImage): number =>
    Math.max(1, Math.round((IMAGE_BYTES[name] * share) / BLOCK)) * BLOCK;
  const directory = holesDirectory(scratch);
  const paths = {
    zeros: join(directory, 'zeros'),
    fewZeros: join(directory, 'few-zeros'),
    random: join(scratch, 'random'),
  };
  const remove = (): void => {
    process.off('exit', remove);
    fs.rmSync(paths.random, { force: true });
    fs.rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', remove);
  try {
    for (const name of ['zeros', 'fewZeros'] as const) {
      fs.writeFileSync(paths[name], '', { flag: 'wx', mode: 0o600 });
      fs.truncateSync(paths[name], sized(name));
    }
    // The engine finds equal pages only within a chunk, so a block may repeat at a greater distance.
    const block = randomBytes(BLOCK);
    const out = fs.openSync(paths.random, 'wx', 0o600);
    try {
      for (let at = 0; at < sized('random'); at += block.length)
        fs.writeSync(out, block, 0, block.length, at);
    } finally {
      fs.closeSync(out);
    }
  } catch (thrown) {
    remove();
    throw thrown;
  }
  return { paths, remove };
}

function holesDirectory(scratch: string): string {
  try {
    return fs.mkdtempSync(join(MEMORY, 'ramferry-tune-'));
  } catch {
    return fs.mkdtempSync(join(scratch, 'holes-'));
  }
}
