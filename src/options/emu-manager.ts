// The options of `emu-manager`, which stands in emu-manager's place under xapi.

import type { ReceiveOptions } from './receive.js';
import type { SendOptions } from './send.js';

/** What send and receive take as well. */
type Shared = Pick<
  SendOptions,
  'codec' | 'compressLevel' | 'chunkSize' | 'memoryLimit' | 'xenguestVersion' | 'zstdBinding' | 'flushAfter'
>;

/** What the front of emu-manager is told. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface EmuOptions extends Shared {
  /** Compression threads of a save, 1 to 255. Default: as many CPUs as the process may use, at most 2. */
  readonly compressThreads?: SendOptions['compressThreads'];
  /** Decompression threads of a restore, 1 to 255. Default: as many CPUs as the process may use, at most 2. */
  readonly decompressThreads?: ReceiveOptions['decompressThreads'];
  /** Bytes of the page store of a save, a multiple of 4096; 0 is none. Default 0: ten migrations at once share the host's memory. */
  readonly xbzrleCacheSize?: SendOptions['xbzrleCacheSize'];
  /** Decode every chunk before it leaves, and compare. A difference fails with ERR_SELF_CHECK. Default true. */
  readonly selfCheck?: boolean | undefined;
  /** Threads of all migrations on this host together, 0 to 255; 0 is no limit. Default: as many as the process may use CPUs. */
  readonly hostThreads?: number | undefined;
  /** Also compress the vGPU's stream; the other host must be told the same. Default false. */
  readonly compressVgpu?: boolean | undefined;
}
