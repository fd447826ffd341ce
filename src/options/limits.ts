// Limits and defaults of options that other modules calculate with. The table (table.ts) uses them, too.

import { MAX_STORE_PAGES } from '../chunk/page-store.js';
import { MAX_CHUNK_BYTES } from '../chunk/record.js';
import { MOST_CONNECTIONS } from '../link/resume/several.js';
import { PAGE_BYTES } from '../page/size.js';
import { KIB, MIB } from '../units.js';

/** The smallest and the largest value of an option, both included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** The maximum of setTimeout. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Bytes, milliseconds, CPUs and counts. */
export const LIMITS = {
  threads: { min: 1, max: 255 },
  chunkSize: { min: 64 * KIB, max: 16 * MIB },
  window: { min: 16 * MIB, max: MAX_CHUNK_BYTES },
  /** Below this, two of the smallest slots do not fit. The slot layout checks the need of larger chunks. */
  memoryLimit: { min: 4 * MIB, max: UNLIMITED },
  downtimeLimit: { min: 1, max: MAX_TIMEOUT_MS },
  /** 0 = none. The maximum is what one Node.js buffer can hold. */
  xbzrleCacheSize: { min: 0, max: MAX_STORE_PAGES * PAGE_BYTES },
  maxSize: { min: 1, max: UNLIMITED },
  flushAfter: { min: 1, max: 60_000 },
  /** CPUs. */
  maxCpu: { min: 0.05, max: 255 },
  nice: { min: 0, max: 19 },
  maxTransfers: { min: 1, max: 1000 },
  shards: { min: 1, max: 64 },
  connections: { min: 1, max: MOST_CONNECTIONS },
  /** QEMU has at most 255 multifd channels. */
  hypervisorConnections: { min: 1, max: 257 },
  timeout: { min: 0, max: MAX_TIMEOUT_MS },
} as const satisfies Record<string, Range>;

/** Bytes per second; 0 = no limit. */
export const RATE: Range = { min: 0, max: UNLIMITED };

/** The default of QEMU's xbzrle-cache-size. */
export const DEFAULT_STORE_BYTES = 64 * MIB;
/** Bytes of guest stream in a chunk by default. */
export const DEFAULT_CHUNK_BYTES = MIB;
/** Bytes for everything except the page store. */
export const MEMORY_BESIDE_STORE = 256 * MIB;
export const DEFAULT_MEMORY_LIMIT = MEMORY_BESIDE_STORE + DEFAULT_STORE_BYTES;
/** Bytes for all transfers of a server. */
export const DEFAULT_SERVE_MEMORY = 1024 * MIB;
/** Transfers of each direction that a server runs at once. */
export const DEFAULT_TRANSFERS = 4;
/** The page store's share of a memory limit, when the user gives no size. */
export const STORE_PART = 1 / 4;

/** QEMU allows 8 compression threads by default and 2 for decompression, which is several times as fast. */
export const COMPRESS_THREADS = 8;
export const DECOMPRESS_THREADS = 2;
