// The headers that Xen toolstacks put around libxc streams (`xl save` files, libxl streams, xenopsd images), and what follows
// each of them. Takes one complete header at a time. The walk (wrapping.ts) counts bytes and follows the libxc streams.

import {
  LIBXC_MAGIC,
  LIBXL_RECORD,
  paddingAfter,
  readU32,
  RECORD_HEADER_BYTES,
  startsWith,
  XENGUEST_RECORD,
} from './libxc-format.js';

/** The first bytes of each kind of Xen stream. */
export const XEN_MAGICS = {
  libxc: LIBXC_MAGIC,
  libxl: Buffer.from('LibxlFmt', 'latin1') as Uint8Array,
  xl: Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1') as Uint8Array,
  xenopsd: Buffer.from('XenSavedDomv2-\n', 'latin1') as Uint8Array,
} as const;
/** What is around a libxc stream: nothing, a libxl stream, a file of `xl save`, or xenopsd's. */
export type XenKind = keyof typeof XEN_MAGICS;

/** Length of each header. */
export const XEN_HEADER_BYTES = {
  libxl: 16,
  'libxl record': RECORD_HEADER_BYTES,
  // magic, u32 byte order, u32 mandatory flags, u32 optional flags, u32 length of the optional data (xl.h)
  xl: 32 + 16,
  xenopsd: 15,
  // u64 type, u64 length
  'xenopsd record': 16,
} as const;

/** A header that the walk may expect. */
export type HeaderPlace = keyof typeof XEN_HEADER_BYTES;

const LIBXL_VERSION = 2;
const LIBXL_OPTION_BIG_ENDIAN = 1;
/** xl.h, SAVEFILE_BYTEORDER_VALUE. */
const XL_BYTE_ORDER = 0x01020304;

/** Types of xenopsd's headers (xen-api, suspend_image.ml): the two before a stream, and the last one. */
const XENOPSD_LIBXC = 0x00f0;
const XENOPSD_LIBXL = 0x00f1;
const XENOPSD_END = 0xffff;
/** Xenops, Qemu (two), Varstored, Swtpm (two): the header says how many bytes follow. */
const XENOPSD_COUNTED: readonly number[] = [0x000f, 0x0f00, 0x0f01, 0x0f11, 0x0f12, 0x0f13];

/** What follows a header. */
export interface AfterHeader {
  /** What stands behind the skipped bytes. `end`: the wrapping is complete. */
  readonly place: HeaderPlace | 'libxc' | 'end';
  /** Bytes of the wrapping before that place. */
  readonly skip: number;
  /** The writer may wait for the reader's answer behind these bytes. */
  readonly flush?: boolean;
  /** The libxc stream before this header goes on if it is open (`resume`), or is over (`drop`). Absent: neither. */
  readonly libxc?: 'resume' | 'drop';
}

interface Unknown {
  readonly unknown: string;
}

/** Remembers where in its wrapping a stream is. */
export class Wrapping {
  readonly #kind: XenKind;
  /** Byte order of the current libxl stream. */
  #bigEndian = false;
  #inLibxl = false;

  constructor(kind: XenKind) {
    this.#kind = kind;
  }

  /** True between the header of a libxl stream and its END. */
  get inLibxl(): boolean {
    return this.#inLibxl;
  }

  /** The header behind a complete libxc stream. */
  get afterLibxc(): HeaderPlace {
    return this.#inLibxl ? 'libxl record' : 'xenopsd record';
  }

  /** Reads the complete header at data[at]. */
  read(place: HeaderPlace, data: Uint8Array, at: number): AfterHeader | Unknown {
    switch (place) {
      case 'xl':
        return xlHeader(data, at);
      case 'libxl':
        return this.#libxlHeader(data, at);
      case 'libxl record':
        return this.#libxlRecord(readU32(data, at, this.#bigEndian), readU32(data, at + 4, this.#bigEndian));
      case 'xenopsd':
        return startsWith(data, at, XEN_MAGICS.xenopsd)
          ? { place: 'xenopsd record', skip: 0 }
          : { unknown: 'no xenopsd signature' };
      case 'xenopsd record':
        return xenopsdRecord(data, at);
    }
  }

  #libxlHeader(data: Uint8Array, at: number): AfterHeader | Unknown {
    if (!startsWith(data, at, XEN_MAGICS.libxl)) return { unknown: 'no libxl stream header' };
    const version = readU32(data, at + 8, true);
    if (version !== LIBXL_VERSION) return { unknown: `libxl stream version ${version}` };
    this.#bigEndian = (readU32(data, at + 12, true) & LIBXL_OPTION_BIG_ENDIAN) !== 0;
    this.#inLibxl = true;
    return { place: 'libxl record', skip: 0 };
  }

  #libxlRecord(type: number, length: number): AfterHeader {
    const skip = length + paddingAfter(length);
    switch (type) {
      case LIBXL_RECORD.libxcContext:
        return { place: 'libxc', skip, libxc: 'drop' };
      case LIBXL_RECORD.checkpointEnd:
        return { place: 'libxl record', skip, flush: true, libxc: 'resume' };
      case LIBXL_RECORD.checkpointState:
        return { place: 'libxl record', skip, flush: true };
      case LIBXL_RECORD.end:
        this.#inLibxl = false;
        return {
          place: this.#kind === 'xenopsd' ? 'xenopsd record' : 'end',
          skip,
          flush: true,
          libxc: 'drop',
        };
      default:
        return { place: 'libxl record', skip };
    }
  }
}

function xlHeader(data: Uint8Array, at: number): AfterHeader | Unknown {
  if (!startsWith(data, at, XEN_MAGICS.xl)) return { unknown: 'no xl header' };
  const little = readU32(data, at + 32, false) === XL_BYTE_ORDER;
  if (!little && readU32(data, at + 32, true) !== XL_BYTE_ORDER) {
    return { unknown: 'xl header of unknown byte order' };
  }
  // Optional data of the length at 44.
  return { place: 'libxl', skip: readU32(data, at + 44, !little) };
}

function xenopsdRecord(data: Uint8Array, at: number): AfterHeader | Unknown {
  const type = readU64(data, at);
  const length = readU64(data, at + 8);
  const name = `0x${type.toString(16)}`;
  if (type === XENOPSD_LIBXC) return { place: 'libxc', skip: 0 };
  if (type === XENOPSD_LIBXL) return { place: 'libxl', skip: 0 };
  if (type === XENOPSD_END) return { place: 'end', skip: 0, flush: true };
  if (!XENOPSD_COUNTED.includes(type)) {
    return { unknown: `xenopsd record ${name}, of unknown type or without a length` };
  }
  if (length > Number.MAX_SAFE_INTEGER) return { unknown: `xenopsd record ${name} of impossible length` };
  return { place: 'xenopsd record', skip: length };
}

/** The type of a COMPRESSED_BYTES record in both byte orders. */
const BYTES_TYPES = [true, false].map((bigEndian) => {
  const type = Buffer.alloc(4);
  if (bigEndian) type.writeUInt32BE(XENGUEST_RECORD.bytes);
  else type.writeUInt32LE(XENGUEST_RECORD.bytes);
  return { bigEndian, type };
});

/**
 * Whether a COMPRESSED_BYTES record begins at data[at].
 * @returns its byte order; false where none begins; true where more bytes are needed to tell
 */
export function beginsBytes(data: Uint8Array, at: number): { readonly bigEndian: boolean } | boolean {
  const available = data.length - at;
  const found = BYTES_TYPES.find(({ type }) => startsWith(data, at, type.subarray(0, available)));
  if (found === undefined) return false;
  return available < found.type.length ? true : { bigEndian: found.bigEndian };
}

/** Little-endian; beyond 2^53 it is inexact, and still beyond. */
function readU64(data: Uint8Array, at: number): number {
  return readU32(data, at + 4, false) * 0x1_0000_0000 + readU32(data, at, false);
}
