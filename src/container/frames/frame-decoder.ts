// What decodes one frame of a foreign stream, piece by piece. StreamDecoder finds the frames and feeds them.

import type { Cursor, Emit } from './cursor.js';

export interface FrameDecoder {
  /**
   * Consumes bytes of the frame (its magic was consumed before) and emits what they decode to.
   * @returns true when the frame is complete and verified; the cursor then stands behind it.
   *   Otherwise the cursor is exhausted.
   */
  push(cursor: Cursor, emit: Emit): Promise<boolean>;
  /** The frame carries a checksum over its decoded bytes, if it has any. */
  readonly verified: boolean;
  /** Gives native state back; also when the frame is not complete. */
  close(): void;
}
