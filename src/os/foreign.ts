// Calls C functions that Node.js does not offer, through koffi. koffi is loaded when a function is first needed.
// koffi has no prebuilt binary for some machines. There every lookup of a system call returns undefined, and callers need a
// fallback; the loading of a library throws.

import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

/** The same functions as koffi's own module, which adds deprecated names, searches several places, and takes 6 ms more. */
function loadKoffi(): typeof Koffi {
  const require = createRequire(import.meta.url);
  const place = require.resolve('koffi');
  try {
    return createRequire(place)(`@koromix/koffi-${process.platform}-${process.arch}`) as typeof Koffi;
  } catch {
    return require('koffi') as typeof Koffi;
  }
}

/** koffi and the C library; undefined where koffi has no prebuilt binary for this machine. */
export function foreign(): { koffi: typeof Koffi; library: ReturnType<typeof Koffi.load> } | undefined {
  try {
    const koffi = loadKoffi();
    return { koffi, library: koffi.load(null) };
  } catch {
    return undefined;
  }
}

/**
 * Loads a shared library by its soname, as the system's loader finds it. The library prefers its own symbols (RTLD_DEEPBIND):
 * Node exports those of the libraries inside it, and another version's functions on the same structures would crash.
 * @param symbol a function of the library, to find out whether Node exports it
 * @throws Error koffi has no prebuilt binary for this machine, the library is missing, or this C library lacks RTLD_DEEPBIND
 */
export function loadForeignLibrary(soname: string, symbol: string): ReturnType<typeof Koffi.load> {
  const found = foreign();
  if (found === undefined) throw new Error('koffi has no binary for this machine');
  const { koffi, library: own } = found;
  if (has(own, symbol) && !has(own, 'gnu_get_libc_version')) {
    throw new Error(`this Node exports ${symbol}, and this C library cannot keep the two apart`);
  }
  try {
    return koffi.load(soname, { deep: true });
  } catch (thrown) {
    // koffi leaves the name out.
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`${soname}: ${reason}`, { cause: thrown });
  }
}

function has(library: ReturnType<typeof Koffi.load>, name: string): boolean {
  try {
    library.func(`void ${name}()`);
    return true;
  } catch {
    return false;
  }
}

/** The declared functions, and `errno()`: the error number of the calling thread's last failed call. */
export type Bound<Functions> = Functions & { readonly errno: () => number };

/**
 * Declares functions of the C library by their prototypes.
 * @returns a function that looks them up at its first call and returns them; undefined without koffi
 */
export function declareForeign<Functions extends object>(
  prototypes: Readonly<Record<keyof Functions, string>>,
): () => Bound<Functions> | undefined {
  let known: { readonly functions: Bound<Functions> | undefined } | undefined;
  return () => (known ??= { functions: bind<Functions>(prototypes) }).functions;
}

function bind<Functions extends object>(
  prototypes: Readonly<Record<keyof Functions, string>>,
): Bound<Functions> | undefined {
  const found = foreign();
  if (found === undefined) return undefined;
  const { koffi, library } = found;
  const functions = Object.fromEntries(
    Object.entries<string>(prototypes).map(([name, prototype]) => [name, library.func(prototype)]),
  );
  return { ...(functions as unknown as Functions), errno: () => koffi.errno() };
}
