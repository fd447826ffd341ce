// XXH64 and XXH32 through the package @node-rs/xxhash, loaded in one place.
// Loaded with `require`: for an `import` Node first searches the package's CommonJS code for its exports, which takes each
// thread 10 ms at its start.

import { createRequire } from 'node:module';
import type * as XxHash from '@node-rs/xxhash';

import { RamferryError } from '../errors.js';

export const { xxh32, xxh64, Xxh32, Xxh64 } = load();

/** Without checksums there is neither a stream nor a transfer. */
function load(): typeof XxHash {
  try {
    const require = createRequire(import.meta.url);
    return (loadNative(require) ?? require('@node-rs/xxhash')) as typeof XxHash;
  } catch (cause) {
    throw new RamferryError(
      'ERR_CODEC_UNAVAILABLE',
      'the package @node-rs/xxhash has no binary for this machine',
      {
        hint: 'install ramferry anew on this machine, with its optional packages',
        cause,
      },
    );
  }
}

/**
 * The machine code itself, for the usual C library. The package first finds out which C library there is and whether its files are of
 * one version, which takes 4 ms of processor time in each thread. Undefined where the package must decide.
 */
function loadNative(require: NodeJS.Require): unknown {
  try {
    const own = createRequire(require.resolve('@node-rs/xxhash'));
    return own(`@node-rs/xxhash-linux-${process.arch}-gnu`);
  } catch {
    return undefined;
  }
}
