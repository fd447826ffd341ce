// What every zstd engine promises, and how they are called: as the bindings in src/codec.

import type { ZstdFrameHeader } from '../../../codec/zstd-frame.js';
import type { Emit } from '../cursor.js';

export type ZstdEngineName = 'zstd-napi' | 'node:zlib' | '@mongodb-js/zstd';

export interface ZstdEngine {
  /** A frame begins; its header comes with the first push, too. */
  start(header: ZstdFrameHeader, offset: number): void;
  /** A block begins that decodes to at most this many bytes. */
  block(maxDecoded: number, offset: number): void;
  /** Takes bytes of the frame, never beyond its end. */
  push(bytes: Uint8Array, emit: Emit): Promise<void>;
  /** The frame has ended. Throws when the decoder does not think so. */
  finish(emit: Emit): Promise<void>;
  close(): void;
}
