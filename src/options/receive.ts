// The options of receive.

import type { Size } from './amounts.js';
import type { TransferOptions } from './common.js';

/** What a caller of receive gives: input and output; the rest may be left out. */
export interface ReceiveOptions extends TransferOptions {
  /** Decompression threads, 1 to 255. Default: as many CPUs as the process may use, at most 2. */
  readonly decompressThreads?: number | undefined;
  /**
   * Bytes that the output may take, 1 or more. A stream that decodes to more fails with ERR_STREAM_LIMIT. Default: the length that
   * the stream's header announces, where it does (a RAM image that was sent from a file), else no limit.
   */
  readonly maxSize?: Size | undefined;
  /**
   * Hand on whatever comes, compressed or not. False: uncompressed QEMU, libvirt and Xen streams are handed on, anything else that
   * is not ramferry's fails with ERR_STREAM_MAGIC. Default false.
   */
  readonly passThrough?: boolean | undefined;
}
