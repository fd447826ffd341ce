// The interface of a codec: bytes to bytes, from and into the caller's memory.
// A codec knows no pages and no chunks. One thread at a time uses it.

/** Codec numbers as they stand in the stream (docs/FORMAT.md); 0 is never valid. */
export const CODEC_ID = { none: 1, lz4: 2, zstd: 3, zlib: 4 } as const;
/** `none`, `lz4`, `zstd` or `zlib`. */
export type CodecName = keyof typeof CODEC_ID;
export type CodecId = (typeof CODEC_ID)[CodecName];

export const CODEC_NAMES = Object.keys(CODEC_ID) as CodecName[];

export function codecName(id: number): CodecName | undefined {
  return CODEC_NAMES.find((name) => CODEC_ID[name] === id);
}

/** The levels that a codec accepts, in QEMU's sense: 0 = stored, 1 = fastest. */
export interface LevelRange {
  /** Lowest level. */
  readonly min: number;
  /** Highest level. */
  readonly max: number;
  /** Level that is used when none is given. */
  readonly default: number;
  /** False when all levels above 0 are the same (lz4). */
  readonly effective: boolean;
}

/** What a codec implementation can do; `Binding` is the native module behind it. */
export interface Codec {
  readonly name: CodecName;
  readonly binding: string;
  /**
   * Compresses all of src into the start of dst; the two must not overlap.
   * Resolves with the encoded length, or -1 when the result does not fit dst (the caller then stores the bytes;
   * some bindings want a few bytes of room beyond the result).
   * Level 0 is always -1: stored means no codec. A level outside the binding's range throws ERR_OPTION_INVALID.
   * Same src, level and binding version: same bytes.
   */
  compress(dst: Uint8Array, src: Uint8Array, level: number): number | Promise<number>;
  /**
   * Restores exactly dst.length bytes from all of src.
   * Throws ERR_STREAM_CODEC when src is damaged, has another decoded length, or has bytes left over. It never
   * allocates more than a small multiple of dst.length, whatever src claims.
   */
  decompress(dst: Uint8Array, src: Uint8Array): void | Promise<void>;
  /** Gives native contexts back. */
  close(): void;
}

/**
 * zstd can also make standard frames that stand alone: single segment, content size, and the content checksum that
 * `zstd -d` verifies. Method `stream` is made of them.
 */
export interface ZstdCodec extends Codec {
  /** As compress(), with the checksum. decompress() reads these too, and verifies it. */
  compressFrame(dst: Uint8Array, src: Uint8Array, level: number): number | Promise<number>;
}

/** Facts about a binding that hold without creating a codec. */
export interface BindingInfo {
  /** Codec that it implements. */
  readonly codec: CodecName;
  /** Name for the option `zstdBinding`. */
  readonly binding: string;
  /** Of the package (of Node for its own modules, of the library where it belongs to the system). */
  readonly version: string;
  /** Of the C library behind it, where the binding or its build names it. */
  readonly library: string | undefined;
  /** Synchronous, from and into the caller's memory: the fast way. */
  readonly direct: boolean;
  /** True when it runs on libuv's pool: threads beyond the pool's size gain nothing. */
  readonly asynchronous: boolean;
  /**
   * Results arrive in the binding's own buffers and are copied. Their memory is freed only after a garbage collection and a turn
   * of the thread's event loop: a worker calls a Reclaimer after each use.
   */
  readonly returnsBuffers: boolean;
  /** Levels that it accepts. */
  readonly levels: LevelRange;
  /** Whether it has long-distance matching, which finds repetitions at a cost independent of their distance (OpenOptions). */
  readonly longDistance: boolean;
  /** Upper bound of the memory that one thread holds besides the caller's, for chunks of `size` bytes. */
  memoryPerThread(level: number, size: number, longDistance?: boolean): number;
}
