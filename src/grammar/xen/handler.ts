// The interfaces of the walk through a Xen stream (wrapping.ts): its reports and its options. Types only.

import type { RecordHandler } from './libxc-records.js';

export interface XenHandler extends RecordHandler {
  /** n bytes outside libxc records: headers, records of the wrapping, bytes behind its end, unknown bytes. */
  between(n: number): void;
  /**
   * Bytes behind the wrapping's end, or from the first unknown header on, to the end of the input. The contract is that of
   * RecordHandler.body. Absent: these bytes come as `between`.
   * @param offset of data[start) in the whole input
   */
  rest?(data: Uint8Array, start: number, end: number, atEnd: boolean, offset: number): number;
  /** The writer may wait here for the reader's answer. */
  flush(): void;
}

export interface XenWalkOptions {
  /**
   * The effect of a CHECKPOINT record in a bare libxc stream (in a wrapping the walk always goes on).
   * `follow` (default): records go on until END. For a reader that has the writer's whole output. The specification hands the
   * stream to a higher level only "if the stream is embedded" in one, and libxl's records up to CHECKPOINT_END, where they
   * occur, are framed like libxc's.
   * `stop`: the stream is done after CHECKPOINT. For a reader whose descriptor libxl reads next.
   */
  readonly atCheckpoint?: 'follow' | 'stop';
  /**
   * The effect of the END record in a bare libxc stream. `stop` (default): the stream is done. For a reader that shares the
   * descriptor. `follow`: the bytes behind END belong to the input, as behind a wrapping.
   */
  readonly atEnd?: 'follow' | 'stop';
  /** COMPRESSED_BYTES may stand where a header is expected (the receiving side). Default false. */
  readonly compressed?: boolean;
}
