// Calls C functions that Node.js does not offer, through koffi. koffi is loaded when a function is first needed.
// koffi has no prebuilt binary for some machines. There every lookup returns undefined, and callers need a fallback.

import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

/** koffi and the C library; undefined where koffi has no prebuilt binary for this machine. */
export function foreign(): { koffi: typeof Koffi; library: ReturnType<typeof Koffi.load> } | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    return { koffi, library: koffi.load(null) };
  } catch {
    return undefined;
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
