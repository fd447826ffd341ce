// Interface of an incremental decoder for one frame of a foreign stream. StreamDecoder finds the frames and feeds them.

import type { Cursor, Emit } from './cursor.js';

export interface FrameDecoder {
  /**
   * Consumes bytes of the frame (its magic was consumed before) and emits what they decode to.
   * @returns true when the frame is complete and verified; the cursor then stands behind it.
   *   Otherwise the cursor is exhausted.
   */
  push(cursor: Cursor, emit: Emit): Promise<boolean>;
  /** Whether the frame has a checksum over its decoded bytes. An empty frame needs none. */
  readonly verified: boolean;
  /** Releases native state, also when the frame is incomplete. */
  close(): void;
}
