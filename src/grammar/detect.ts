// Recognises the kind of a stream by its first bytes, and selects the grammar or container for it.
// The detector waits only while the bytes so far are a prefix of a magic, and says how many more it can use, so that
// the caller reads no more than needed. It accepts a magic alone; the grammar checks the bytes behind it.

import { RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import type { StreamFormat } from './formats.js';
import type { Grammar } from './grammar.js';
import { LibvirtGrammar } from './qemu/libvirt.js';
import { MultifdGrammar } from './qemu/multifd.js';
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
import { UrgentGrammar } from './qemu/urgent.js';
import { RawGrammar } from './raw.js';
import { XEN_MAGICS, type XenWalkOptions } from './xen/wrapping.js';

/** Streams that are already compressed, and their names in messages. */
const COMPRESSED = {
  native: 'a ramferry stream',
  zstd: 'Zstandard frames',
  lz4: 'LZ4 frames',
  'lz4-legacy': 'LZ4 legacy frames',
  gzip: 'gzip',
} as const;
export type CompressedKind = keyof typeof COMPRESSED;

/**
 * Besides what an input may be alone: `multifd` is one channel of a multifd migration, and `urgent` another further channel of QEMU (a preempt
 * channel, a recovery channel). Each is only a part of a migration.
 */
export type StreamKind = StreamFormat | CompressedKind | 'multifd' | 'urgent';

/** How a receiver reads a stream. */
export type Container =
  /** chunk records of ramferry */
  | 'native'
  /** frames of a standard compressor (method `stream`) */
  | 'frames'
  /** a Xen stream, with or without compressed records (method `xenguest`) */
  | 'xen'
  /** written neither by ramferry nor by a compressor: the bytes are passed on as they are */
  | 'plain';

export function isCompressed(kind: StreamKind): kind is CompressedKind {
  return Object.hasOwn(COMPRESSED, kind);
}

/**
 * Sending side: the grammar for a stream, from its first byte.
 * @param xen how a Xen stream is walked
 * @throws ERR_ALREADY_COMPRESSED with the name of the format: compressing twice costs time and gains nothing
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
      return new MultifdGrammar();
    case 'urgent':
      return new UrgentGrammar();
    default:
      return createXenGrammar(kind, xen);
  }
}

/** @throws ERR_INPUT_UNKNOWN for a stream that is only a part of a migration, where it comes alone */
export function refusePart(kind: StreamKind): void {
  if (kind !== 'multifd') return;
  throw new RamferryError('ERR_INPUT_UNKNOWN', 'the input is one channel of a multifd migration of QEMU', {
    offset: 0,
    hint:
      'give both sides --hypervisor-connections, one more than QEMU has channels; or turn the capability multifd off: ramferry compresses ' +
      'on several threads by itself',
  });
}

/** Receiving side: the container of a stream of this kind. */
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
    case 'urgent':
      return 'plain';
  }
}

interface Candidate {
  readonly kind: StreamKind;
  readonly magic: Uint8Array;
}

/** No magic is a prefix of another. A skippable frame may also be LZ4's: the decoder of frames looks behind it. */
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
   * @param fileSize size in bytes when the input is a regular file read from its start. Then an unrecognised input with a whole
   *   number of pages is a RAM image, and a multifd channel is impossible: only a connection can be one.
   */
  constructor(fileSize?: number) {
    this.#fileSize = fileSize;
    this.#candidates =
      fileSize === undefined ? CANDIDATES : CANDIDATES.filter(({ kind }) => kind !== 'multifd');
  }

  /** Bytes that the caller may read without reading more than the decision needs; 0 once decided. */
  get wanted(): number {
    if (this.#decided !== undefined) return 0;
    return Math.min(...this.#candidates.map(({ magic }) => magic.length)) - this.#seen;
  }

  /**
   * Takes the next bytes of the stream, from its start, and ignores bytes behind the decision.
   * @returns the kind as soon as it is certain
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

  /** The stream is over. @returns the decision, or the kind of an unrecognised input */
  end(): StreamKind {
    this.#decided ??= this.#unclaimed();
    return this.#decided;
  }

  #unclaimed(): StreamKind {
    const fileSize = this.#fileSize;
    return fileSize !== undefined && fileSize > 0 && fileSize % PAGE_BYTES === 0 ? 'raw' : 'opaque';
  }
}
