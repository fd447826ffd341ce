// XXH64 and XXH32 through the package @node-rs/xxhash, loaded in one place.
// With `require`: for an `import` Node searches the package's CommonJS code for its exports first, which costs every
// thread 10 ms at its start.

import { createRequire } from 'node:module';
import type * as XxHash from '@node-rs/xxhash';

export const { xxh32, xxh64, Xxh32, Xxh64 } = createRequire(import.meta.url)(
  '@node-rs/xxhash',
) as typeof XxHash;
