// The system's libzstd through koffi: its functions, loaded once in each thread, and its errors as exceptions.
// Contexts lie in memory of JavaScript (ZSTD_initStaticCCtx), so the end of a thread frees them, however it ends.

import { loadForeignLibrary } from '../os/foreign.js';

/** With its major version, which is the ABI's. The system's loader finds it. */
const SONAME = 'libzstd.so.1';
/** From here on ZSTD_compress2 makes no buffers of its own. */
const OLDEST = 10408;
/** 1.5.0 may damage data at high levels, and its block splitter cannot be turned off. */
const REFUSED = 10500;
/** 1.5.1 to 1.5.4 may, too: there the block splitter is off (https://github.com/facebook/zstd/pull/3517). */
const SPLITTER_SOUND_FROM = 10505;

/** Error codes of zstd_errors.h that callers tell apart; their numbers are part of the library's ABI. */
export const ZSTD_ERROR = { memory: 64, destination: 70 } as const;

/** An error of libzstd, with its text (ZSTD_getErrorName) and its code. */
export class ZstdError extends Error {
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** A context: an address, valid as long as its memory is referenced. */
type Context = bigint | null;
/** A size_t. Errors are its highest values, which come as a bigint. */
type Size = number | bigint;

interface Functions {
  ZSTD_versionNumber(): number;
  ZSTD_versionString(): string;
  ZSTD_isError(result: Size): number;
  ZSTD_getErrorName(result: Size): string;
  ZSTD_getErrorCode(result: Size): number;
  ZSTD_initStaticCCtx(memory: Uint8Array, size: number): Context;
  ZSTD_createCCtx(): Context;
  ZSTD_CCtx_setParameter(context: Context, parameter: number, value: number): Size;
  ZSTD_CCtx_reset(context: Context, directive: number): Size;
  ZSTD_compress2(context: Context, dst: Uint8Array, room: number, src: Uint8Array, size: number): Size;
  ZSTD_estimateDCtxSize(): number;
  ZSTD_initStaticDCtx(memory: Uint8Array, size: number): Context;
  ZSTD_decompressDCtx(context: Context, dst: Uint8Array, room: number, src: Uint8Array, size: number): Size;
  ZSTD_createDCtx(): Context;
  ZSTD_freeDCtx(context: Context): Size;
  ZSTD_DCtx_setParameter(context: Context, parameter: number, value: number): Size;
  ZSTD_decompressStream_simpleArgs: StreamCall;
}

type StreamCall = (
  ...given: [
    context: Context,
    dst: Uint8Array,
    room: number,
    produced: BigUint64Array,
    src: Uint8Array,
    size: number,
    consumed: BigUint64Array,
  ]
) => Size;

const PROTOTYPES: Readonly<Record<keyof Functions, string>> = {
  ZSTD_versionNumber: 'unsigned int ZSTD_versionNumber()',
  ZSTD_versionString: 'const char *ZSTD_versionString()',
  ZSTD_isError: 'unsigned int ZSTD_isError(size_t result)',
  ZSTD_getErrorName: 'const char *ZSTD_getErrorName(size_t result)',
  ZSTD_getErrorCode: 'int ZSTD_getErrorCode(size_t result)',
  ZSTD_initStaticCCtx: 'void *ZSTD_initStaticCCtx(void *memory, size_t size)',
  ZSTD_createCCtx: 'void *ZSTD_createCCtx()',
  ZSTD_CCtx_setParameter: 'size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)',
  ZSTD_CCtx_reset: 'size_t ZSTD_CCtx_reset(void *context, int directive)',
  ZSTD_compress2:
    'size_t ZSTD_compress2(void *context, void *dst, size_t room, const void *src, size_t size)',
  ZSTD_estimateDCtxSize: 'size_t ZSTD_estimateDCtxSize()',
  ZSTD_initStaticDCtx: 'void *ZSTD_initStaticDCtx(void *memory, size_t size)',
  ZSTD_decompressDCtx:
    'size_t ZSTD_decompressDCtx(void *context, void *dst, size_t room, const void *src, size_t size)',
  ZSTD_createDCtx: 'void *ZSTD_createDCtx()',
  ZSTD_freeDCtx: 'size_t ZSTD_freeDCtx(void *context)',
  ZSTD_DCtx_setParameter: 'size_t ZSTD_DCtx_setParameter(void *context, int parameter, int value)',
  ZSTD_decompressStream_simpleArgs:
    'size_t ZSTD_decompressStream_simpleArgs(void *context, void *dst, size_t room, void *produced, const void *src, size_t size, void *consumed)',
};

/** libzstd as a loaded library. */
export interface ZstdLibrary {
  readonly functions: Functions;
  /** `1.5.4`. */
  readonly version: string;
  /** Whether the encoder's block splitter must be turned off. */
  readonly splitterUnsound: boolean;
  /** The result of a call. @throws ZstdError where the library says that it is an error */
  readonly result: (value: Size) => number;
}

let loaded: { readonly library: ZstdLibrary } | { readonly thrown: unknown } | undefined;

/** @throws Error koffi or the library is missing, too old, or lacks a function; the same again at each call */
export function zstdLibrary(): ZstdLibrary {
  loaded ??= attempt();
  if ('thrown' in loaded) throw loaded.thrown;
  return loaded.library;
}

function attempt(): NonNullable<typeof loaded> {
  try {
    return { library: load() };
  } catch (thrown) {
    return { thrown };
  }
}

function load(): ZstdLibrary {
  const library = loadForeignLibrary(SONAME, 'ZSTD_versionNumber');
  const functions = Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]),
  ) as unknown as Functions;
  const number = functions.ZSTD_versionNumber();
  const version = functions.ZSTD_versionString();
  const refusal = refusalOf(number);
  if (refusal !== undefined) throw new Error(`${SONAME} is version ${version}: ${refusal}`);
  return {
    functions,
    version,
    splitterUnsound: number > REFUSED && number < SPLITTER_SOUND_FROM,
    result: (value) => {
      if (functions.ZSTD_isError(value) === 0) return Number(value);
      throw new ZstdError(functions.ZSTD_getErrorName(value), functions.ZSTD_getErrorCode(value));
    },
  };
}

/** Why a version is not used; undefined = it is. @param version as ZSTD_versionNumber() says it: 10504 is 1.5.4 */
export function refusalOf(version: number): string | undefined {
  if (version < OLDEST) return '1.4.8 or later is needed';
  return version === REFUSED ? 'it can damage data at high levels' : undefined;
}
