// Reads a libxc stream into a file as xenguest does: no byte beyond its END record. Both stand-ins restore with it.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';

import { LibxcRecords } from '../../src/grammar/xen/libxc-records.js';

const NO_RECORD_MATTERS = {
  full: false,
  between: () => undefined,
  begin: () => undefined,
  body: (_record: unknown, _data: Uint8Array, start: number, end: number) => end - start,
  padding: () => undefined,
  end: () => undefined,
};

export interface StreamReading {
  /** Most bytes of one read. */
  readonly piece: number;
  /** Reads into buffer[at, at + room). @returns bytes; 0 = the end of the input */
  readonly read: (buffer: Buffer, at: number, room: number) => Promise<number>;
  /** Called when the bytes of a read are in the file. */
  readonly onPiece: (bytes: number) => Promise<void> | undefined;
}

/** @returns false where the stream broke off */
export async function streamToFile(path: string, { piece, read, onPiece }: StreamReading): Promise<boolean> {
  const file = fs.openSync(path, 'w');
  const records = new LibxcRecords();
  const buffer = Buffer.alloc(piece);
  let filled = 0;
  while (records.state === 'open') {
    const got = await read(buffer, filled, Math.min(records.certainBytes, buffer.length) - filled);
    if (got === 0) return false;
    fs.writeSync(file, buffer, filled, got);
    filled += got;
    const taken = records.scan(buffer.subarray(0, filled), false, NO_RECORD_MATTERS);
    buffer.copyWithin(0, taken, filled);
    filled -= taken;
    await onPiece(got);
  }
  fs.closeSync(file);
  return true;
}
