// Memory that no guest ever had, to measure the engine with: what its main threads do depends on bytes and chunks, not on
// what is in them, and a transfer must be long for that to show beside what every transfer costs once. Zeros are holes in a file,
// in memory where the system has a file system there: then neither disk nor page cache holds them.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../units.js';

const MEMORY = '/dev/shm';

export const IMAGE_BYTES = {
  /** Zero pages: next to nothing on the link. */
  zeros: 512 * MIB,
  fewZeros: 128 * MIB,
  /** As many as those, of which nothing is left out and nothing shrinks. */
  random: 128 * MIB,
} as const;
export type TestImage = keyof typeof IMAGE_BYTES;

export interface TestImages {
  readonly paths: Readonly<Record<TestImage, string>>;
  /** Also when the process ends otherwise. */
  remove(): void;
}

/** Bytes of noise in a block that repeats. */
const BLOCK = 4 * MIB;

/**
 * @param scratch a directory for what is no hole
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
    // Pages are looked for twice within a chunk at most: farther apart, the same ones will do.
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
