// Pages that QEMU has encoded itself: XBZRLE deltas (save_xbzrle_page in ram.c) and pages of the capability `compress`, which QEMU 9.1
// removed. Reads their headers, which say how many bytes follow. The bytes themselves are skeleton.

import { PAGE_BYTES } from '../../page/size.js';
import { ENCODING_FLAG_XBZRLE } from './format.js';

export interface PageEncoding {
  readonly headerBytes: number;
  /** Bytes behind a complete header at `at`, for a page of `pageBytes`; undefined where QEMU does not write such a header. */
  bodyBytes(view: DataView, at: number, pageBytes: number): number | undefined;
  /** Why the walk ends at such a header. */
  readonly invalid: string;
}

export const XBZRLE: PageEncoding = {
  headerBytes: 3,
  bodyBytes(view, at, pageBytes) {
    const bytes = view.getUint16(at + 1);
    return view.getUint8(at) === ENCODING_FLAG_XBZRLE && bytes <= pageBytes ? bytes : undefined;
  },
  invalid: 'unknown XBZRLE encoding',
};

export const COMPRESSED: PageEncoding = {
  headerBytes: 4,
  bodyBytes(view, at, pageBytes) {
    const bytes = view.getUint32(at);
    // compressBound() of zlib and its forks adds less than this.
    return bytes <= 2 * pageBytes ? bytes : undefined;
  },
  invalid: 'compressed page that is too long',
};

/** Whether a whole delta to a page of 4096 bytes lies at `at`. */
export function holdsXbzrle(view: DataView, at: number): boolean {
  const left = view.byteLength - at;
  if (left < XBZRLE.headerBytes || XBZRLE.bodyBytes(view, at, PAGE_BYTES) === undefined) return false;
  return xbzrleBytes(view, at) <= left;
}

/** Header and body of the delta at `at`. */
export function xbzrleBytes(view: DataView, at: number): number {
  return XBZRLE.headerBytes + view.getUint16(at + 1);
}

/** Pages that QEMU has compressed itself have no contents in the stream that could be compared. */
export function hintFor(capability: string): string {
  return `turn QEMU's capability ${capability} off: ramferry does the same, with all of the guest's pages`;
}
