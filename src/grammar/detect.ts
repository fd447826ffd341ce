// What kind of stream begins with these bytes, and what each side does with it.
// The detector waits only while the bytes so far are the beginning of a magic, and says how many more it can use, so that
// nothing is read that it does not need. It believes a magic; whether the rest keeps that promise the grammar finds out.

import { RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import type { StreamFormat } from './formats.js';
import type { Grammar } from './grammar.js';
import { LibvirtGrammar } from './qemu/libvirt.js';
import { createXenGrammar } from './xen/libxc.js';
import {
  GZIP_MAGIC,
  LIBVIRT_MAGICS,
  LZ4_LEGACY_MAGIC,
  LZ4_MAGIC,
  MULTIFD_MAGIC,
  NATIVE_MAGIC,
  QEMU_MAGIC,
  SKIPPABLE_MAGICS,
  ZSTD_MAGIC,
} from './magics.js';
import { OpaqueGrammar } from './opaque.js';
import { QemuGrammar } from './qemu/qemu.js';
import { RawGrammar } from './raw.js';
import { XEN_MAGICS, type XenWalkOptions } from './xen/wrapping.js';

/** Streams that are compressed already, and what a message calls them. */
const COMPRESSED = {
  native: 'a ramferry stream',
  zstd: 'Zstandard frames',
  lz4: 'LZ4 frames',
  'lz4-legacy': 'LZ4 legacy frames',
  gzip: 'gzip',
} as const;
export type CompressedKind = keyof typeof COMPRESSED;

/** `multifd`: one channel of a multifd migration, of which a single connection is only a part. */
export type StreamKind = StreamFormat | CompressedKind | 'multifd';

/** How a receiver reads a stream. */
export type Container =
  /** ramferry's own chunk records */
  | 'native'
  /** frames of a standard compressor around everything (method `stream`) */
  | 'frames'
  /** a Xen stream, which may hold compressed records (method `xenguest`) or none */
  | 'xen'
  /** nothing that ramferry or a compressor has written: the bytes are what they are */
  | 'plain';

export function isCompressed(kind: StreamKind): kind is CompressedKind {
  return Object.hasOwn(COMPRESSED, kind);
}

/**
 * Sending side: the grammar for a stream, from its first byte.
 * @param xen how a Xen stream is walked
 * Throws ERR_ALREADY_COMPRESSED, naming what was found (compressing twice costs time and gains nothing), or
 * ERR_INPUT_UNKNOWN for what is only a part of a migration.
 */
export function grammarFor(kind: StreamKind, xen: XenWalkOptions = {}): Grammar {
  if (isCompressed(kind)) {
    throw new RamferryError(
      'ERR_ALREADY_COMPRESSED',
      `the input is compressed already: ${COMPRESSED[kind]}`,
      {
        offset: 0,
        hint: 'decompress it first; --format raw sends a RAM image that only begins like this, --format opaque any bytes',
      },
    );
  }
  switch (kind) {
    case 'raw':
      return new RawGrammar();
    case 'qemu':
      return new QemuGrammar();
    case 'libvirt':
      return new LibvirtGrammar();
    case 'opaque':
      return new OpaqueGrammar();
    case 'multifd':
      throw new RamferryError(
        'ERR_INPUT_UNKNOWN',
        'the input is one channel of a multifd migration of QEMU',
        {
          offset: 0,
          hint: 'turn the capability multifd off: ramferry carries one connection, and compresses on several threads by itself',
        },
      );
    default:
      return createXenGrammar(kind, xen);
  }
}

/** Receiving side: how a stream of this kind is read. */
export function containerOf(kind: StreamKind): Container {
  switch (kind) {
    case 'native':
      return 'native';
    case 'zstd':
    case 'lz4':
    case 'lz4-legacy':
    case 'gzip':
      return 'frames';
    case 'libxc':
    case 'libxl':
    case 'xl':
    case 'xenopsd':
      return 'xen';
    case 'raw':
    case 'qemu':
    case 'libvirt':
    case 'opaque':
    case 'multifd':
      return 'plain';
  }
}

interface Candidate {
  readonly kind: StreamKind;
  readonly magic: Uint8Array;
}

/** No magic is the beginning of another. A skippable frame may be LZ4's too; whoever decodes frames looks behind it. */
const CANDIDATES: readonly Candidate[] = [
  { kind: 'native', magic: NATIVE_MAGIC },
  { kind: 'qemu', magic: QEMU_MAGIC },
  { kind: 'multifd', magic: MULTIFD_MAGIC },
  { kind: 'libxc', magic: XEN_MAGICS.libxc },
  { kind: 'libxl', magic: XEN_MAGICS.libxl },
  { kind: 'xl', magic: XEN_MAGICS.xl },
  { kind: 'xenopsd', magic: XEN_MAGICS.xenopsd },
  ...LIBVIRT_MAGICS.map((magic): Candidate => ({ kind: 'libvirt', magic })),
  { kind: 'zstd', magic: ZSTD_MAGIC },
  ...SKIPPABLE_MAGICS.map((magic): Candidate => ({ kind: 'zstd', magic })),
  { kind: 'lz4', magic: LZ4_MAGIC },
  { kind: 'lz4-legacy', magic: LZ4_LEGACY_MAGIC },
  { kind: 'gzip', magic: GZIP_MAGIC },
];

export class Detector {
  #candidates: readonly Candidate[];
  #seen = 0;
  #decided: StreamKind | undefined;
  readonly #fileSize: number | undefined;

  /**
   * @param fileSize size in bytes when the input is a regular file from its start: what nothing else claims is then a RAM
   *   image if it has a whole number of pages, and no channel of multifd, which only a connection can be.
   */
  constructor(fileSize?: number) {
    this.#fileSize = fileSize;
    this.#candidates =
      fileSize === undefined ? CANDIDATES : CANDIDATES.filter(({ kind }) => kind !== 'multifd');
  }

  /** Bytes that may be read now without reading more than is needed to decide; 0 once decided. */
  get wanted(): number {
    if (this.#decided !== undefined) return 0;
    return Math.min(...this.#candidates.map(({ magic }) => magic.length)) - this.#seen;
  }

  /**
   * Takes the next bytes of the stream, from its start; bytes beyond the decision are not looked at.
   * @returns the kind as soon as it is certain.
   */
  feed(bytes: Uint8Array): StreamKind | undefined {
    for (const byte of bytes) {
      if (this.#decided !== undefined) break;
      this.#candidates = this.#candidates.filter(({ magic }) => magic[this.#seen] === byte);
      this.#seen += 1;
      if (this.#candidates.length === 0) this.#decided = this.#unclaimed();
      else this.#decided = this.#candidates.find(({ magic }) => magic.length === this.#seen)?.kind;
    }
    return this.#decided;
  }

  /** The stream is over: what is not decided now, nothing claims. */
  end(): StreamKind {
    this.#decided ??= this.#unclaimed();
    return this.#decided;
  }

  #unclaimed(): StreamKind {
    const fileSize = this.#fileSize;
    return fileSize !== undefined && fileSize > 0 && fileSize % PAGE_BYTES === 0 ? 'raw' : 'opaque';
  }
}
