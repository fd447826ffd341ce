// The grammar of a libvirt save image: a header of 92 bytes, the domain's XML (with cookie and padding), then a QEMU stream.
// Source: struct _virQEMUSaveHeader in libvirt's src/qemu/qemu_saveimage.h; its integers are in the byte order of the host.
// An image that libvirt compressed itself is opaque behind the XML.

import {
  type Grammar,
  incomplete,
  type ScanEnd,
  type SegmentSink,
  type StreamEnd,
  unseen,
} from '../grammar.js';
import { LIBVIRT_MAGICS, LIBVIRT_PART_MAGIC } from '../magics.js';
import { OpaqueTail } from '../opaque.js';
import { QemuGrammar } from './qemu.js';
import { isFull } from '../room.js';
import { MIB } from '../../units.js';

const HEADER_LENGTH = 92;
const VERSION_AT = 16;
const DATA_LENGTH_AT = 20;
const FORMAT_AT = 28;
/** QEMU_SAVE_VERSION. A larger value means the other byte order: libvirt detects the order in the same way. */
const MAX_VERSION = 2;
/** XML, cookie and 64 KiB of padding; a larger value makes the header invalid. */
const MAX_DATA_LENGTH = 64 * MIB;
/** enum virQEMUSaveFormat: raw, and (since libvirt 11.2) sparse, a QEMU stream with mapped-ram. The others name compressors. */
const QEMU_FORMATS: readonly number[] = [0, 6];
const FORMAT_NAMES = ['raw', 'gzip', 'bzip2', 'xz', 'lzop', 'zstd', 'sparse'];

export class LibvirtGrammar implements Grammar {
  readonly name = 'qemu';
  readonly state: ScanEnd = 'open';
  #because: string | undefined;
  /** Bytes of XML still to come; undefined before the header. */
  #left: number | undefined;
  #rest: Pick<QemuGrammar, 'scan'> | undefined;
  #qemu: QemuGrammar | undefined;
  /** libvirt has compressed the image. */
  #compressed = false;
  /** The magic is the preliminary one: libvirt has not completed the image. */
  #part = false;

  get downtime(): boolean {
    return this.#qemu?.downtime === true;
  }

  get finalFrom(): number | undefined {
    return this.#qemu === undefined && this.#rest === undefined ? Infinity : this.#qemu?.finalFrom;
  }

  get hint(): string | undefined {
    if (this.#because !== undefined && this.#compressed) {
      return "set save_image_format = 'raw' in libvirt's qemu.conf: ramferry compresses the image itself";
    }
    return this.#qemu?.hint;
  }

  get passable(): number {
    return this.#qemu?.passable ?? 0;
  }

  get opaqueBecause(): string | undefined {
    return this.#because ?? this.#qemu?.opaqueBecause;
  }

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    let at = 0;
    if (this.#left === undefined && !isFull(out)) at = this.#header(data, atEnd, out);
    if (this.#left !== undefined && this.#left > 0 && at < data.length && !isFull(out)) {
      const n = Math.min(this.#left, data.length - at);
      out.skeleton(n);
      this.#left -= n;
      at += n;
    }
    if (this.#rest === undefined || (this.#left ?? 0) > 0 || isFull(out)) return at;
    return at + this.#rest.scan(data.subarray(at), atEnd, out);
  }

  end(): StreamEnd {
    if (this.#because !== undefined) return unseen(this.#because);
    if (this.#qemu === undefined || (this.#left ?? 0) > 0) {
      return incomplete("it breaks off within libvirt's header or XML, before the QEMU stream");
    }
    if (this.#part) return incomplete('libvirt has marked the image as incomplete');
    return this.#qemu.end();
  }

  #header(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    if (data.length < HEADER_LENGTH) {
      if (!atEnd || data.length === 0) return 0;
      out.skeleton(data.length);
      return data.length;
    }
    const view = new DataView(data.buffer, data.byteOffset, HEADER_LENGTH);
    const littleEndian = view.getUint32(VERSION_AT, true) <= MAX_VERSION;
    const length = view.getUint32(DATA_LENGTH_AT, littleEndian);
    const format = view.getUint32(FORMAT_AT, littleEndian);
    const known =
      LIBVIRT_MAGICS.some((magic) => magic.every((byte, i) => data[i] === byte)) &&
      view.getUint32(VERSION_AT, littleEndian) <= MAX_VERSION &&
      length <= MAX_DATA_LENGTH;
    if (!known) {
      this.#because = 'libvirt header of an unknown form';
      this.#left = 0;
      this.#rest = new OpaqueTail(0);
      return 0;
    }
    this.#part = LIBVIRT_PART_MAGIC.every((byte, i) => data[i] === byte);
    out.skeleton(HEADER_LENGTH);
    this.#left = length;
    const offset = HEADER_LENGTH + length;
    if (QEMU_FORMATS.includes(format)) {
      this.#rest = this.#qemu = new QemuGrammar(offset);
    } else {
      this.#compressed = true;
      this.#because = `libvirt save image compressed with ${FORMAT_NAMES[format] ?? `format ${format}`}`;
      this.#rest = new OpaqueTail(offset);
    }
    return HEADER_LENGTH;
  }
}
