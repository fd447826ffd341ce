// Interface of an incremental decoder for one frame of a foreign stream. StreamDecoder finds the frames and passes their bytes
// to the decoder.

import type { Cursor, Emit } from './cursor.js';

export interface FrameDecoder {
  /**
   * Consumes bytes of the frame after its magic, and emits the decoded bytes.
   * @returns true when the frame is complete and verified; the cursor is then at the first byte after it. Otherwise the
   *   cursor is exhausted.
   */
  push(cursor: Cursor, emit: Emit): Promise<boolean>;
  /** Whether the frame has a checksum over its decoded bytes. A frame without contents counts as verified. */
  readonly verified: boolean;
  /** Releases native state, also when the frame is incomplete. */
  close(): void;
}
