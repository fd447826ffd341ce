// What a walk through a Xen stream reports, and how it may be asked to walk (xen-wrapping.ts). Types only.

import type { RecordHandler } from './libxc-records.js';

export interface XenHandler extends RecordHandler {
  /** n bytes that are no libxc record: headers, records of the wrapping, everything after its end, unknown bytes. */
  between(n: number): void;
  /**
   * Bytes behind the wrapping's end, or from the first thing on that is not known, to the end of the input: the contract of
   * RecordHandler.body. Absent: they come as `between`.
   * @param offset of data[start) in the whole input
   */
  rest?(data: Uint8Array, start: number, end: number, atEnd: boolean, offset: number): number;
  /** The wrapping has come to a place where its writer may wait for the reader's answer. */
  flush(): void;
}

export interface XenWalkOptions {
  /**
   * What a CHECKPOINT record means to a bare libxc stream (in a wrapping it is always followed).
   * `follow` (default): records go on, until END. Right for a reader that has everything the writer wrote: the
   * specification hands the stream back to a higher level only "if the stream is embedded" in one, and libxl's
   * records up to CHECKPOINT_END, should they be there, are framed like libxc's.
   * `stop`: the stream is done after CHECKPOINT. Right for a reader whose descriptor libxl reads next.
   */
  readonly atCheckpoint?: 'follow' | 'stop';
  /**
   * What the END record means to a bare libxc stream. `stop` (default): the stream is done. Right for a reader that
   * shares the descriptor. `follow`: what comes behind it up to the end of the input belongs to the input, as behind a wrapping.
   */
  readonly atEnd?: 'follow' | 'stop';
  /** COMPRESSED_BYTES may stand where a header is expected (the receiving side). Default false. */
  readonly compressed?: boolean;
}
