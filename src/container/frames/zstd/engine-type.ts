// Interface of a zstd engine, and the engines' names, which equal those of the bindings in src/codec.

import type { ZstdFrameHeader } from '../../../codec/zstd-frame.js';
import type { Emit } from '../cursor.js';

export type ZstdEngineName = 'zstd-napi' | 'libzstd' | 'node:zlib' | '@mongodb-js/zstd';

export interface ZstdEngine {
  /** Begins a frame. The bytes of its header follow with the first push. */
  start(header: ZstdFrameHeader, offset: number): void;
  /** Begins a block that decodes to at most `maxDecoded` bytes. */
  block(maxDecoded: number, offset: number): void;
  /** Decodes bytes of the frame, never beyond its end. */
  push(bytes: Uint8Array, emit: Emit): Promise<void>;
  /** Ends the frame. Rejects when the binding has not reached the frame's end. */
  finish(emit: Emit): Promise<void>;
  close(): void;
}
