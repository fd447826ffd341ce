// Reads and writes single fields of QEMU's migration stream, big-endian, as savevm.c and ram.c do.
// Has no state and no order of fields; numbers and limits are in format.ts.

import { Buffer } from 'node:buffer';

import { SECTION } from './format.js';

/** The header fields of a START or FULL section. */
export interface SectionHead {
  readonly id: number;
  readonly name: string;
  readonly instance: number;
  readonly version: number;
}

/** Text of a part of any bytes. A Buffer for each name would cost more than the text. */
const { latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Slice: (this: Uint8Array, from: number, to: number) => string;
};

export function readU16(data: Uint8Array, at: number): number {
  return (data[at]! << 8) | data[at + 1]!;
}

export function readU32(data: Uint8Array, at: number): number {
  return ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0;
}

/** The text behind a u8 length; undefined when it is not complete. */
export function readCounted(data: Uint8Array, at: number): string | undefined {
  const length = data[at];
  if (length === undefined || at + 1 + length > data.length) return undefined;
  return latin1Slice.call(data, at + 1, at + 1 + length);
}

/** The text in a field of fixed length that is filled up with zeros. */
export function readPadded(data: Uint8Array, at: number, length: number): string {
  const field = data.subarray(at, at + length);
  const end = field.indexOf(0);
  const text = end < 0 ? field : field.subarray(0, end);
  return Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1');
}

/** Whether the next 8 bytes are zeros. */
export function isZeroWord(data: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 8; i++) if (data[i] !== 0) return false;
  return true;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A word of the ram section: a page's address, or a length, with flags in the free low bits. */
export function word(address: number, flags: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(address) | BigInt(flags));
  return bytes;
}

/** @param text of at most 255 bytes */
export function counted(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** Reads the head of a START or FULL section, from its type on; undefined where it is not complete. */
export function readSectionHead(data: Uint8Array, at: number): SectionHead | undefined {
  const name = readCounted(data, at + 5);
  if (name === undefined || data.length - at < headBytes(name)) return undefined;
  const after = at + 6 + name.length;
  return {
    id: readU32(data, at + 1),
    name,
    instance: readU32(data, after),
    version: readU32(data, after + 4),
  };
}

/** Length of the head of a START or FULL section, its type included. */
export function headBytes(name: string): number {
  return 6 + name.length + 8;
}

/** The bytes behind the type of a START or FULL section. */
export function sectionHead({ id, name, instance, version }: SectionHead): Buffer {
  return Buffer.concat([u32(id), counted(name), u32(instance), u32(version)]);
}

export function sectionFooter(id: number): Buffer {
  return Buffer.concat([Buffer.of(SECTION.footer), u32(id)]);
}

export function command(number: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(SECTION.command, 0);
  head.writeUInt16BE(number, 1);
  head.writeUInt16BE(data.length, 3);
  return Buffer.concat([head, data]);
}
