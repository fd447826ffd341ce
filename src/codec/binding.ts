// What the registry knows of a binding before its native module is loaded, and how a module is loaded.
// Modules are required on demand and synchronously: an import of this folder loads no native code.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

import type { BindingInfo, Codec } from './codec.js';

/** A binding whose module is in memory. */
export interface LoadedBinding<C extends Codec = Codec> {
  readonly info: BindingInfo;
  /** @param longDistance with long-distance matching; only where the traits have it */
  open(longDistance?: boolean): C;
}

/** The facts about a binding that need no native code. */
export type BindingTraits = Omit<BindingInfo, 'version' | 'library'>;

export interface Binding<C extends Codec = Codec> {
  readonly traits: BindingTraits;
  /** Loads the module; throws what the loader throws. */
  load(): LoadedBinding<C>;
}

const requireHere = createRequire(import.meta.url);

/** Requires a module that may be missing or built for another machine. The caller asserts its type. */
export function loadModule(specifier: string): unknown {
  return requireHere(specifier);
}

/**
 * Version of an installed package. Read from the folder of its entry point, because an `exports` map may hide package.json from
 * `require`.
 */
export function packageVersion(name: string): string {
  let folder = dirname(requireHere.resolve(name));
  for (;;) {
    const version = versionIn(folder, name);
    if (version !== undefined) return version;
    if (dirname(folder) === folder) return 'unknown';
    folder = dirname(folder);
  }
}

function versionIn(folder: string, name: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, 'package.json'), 'utf8');
  } catch {
    return undefined;
  }
  const manifest = JSON.parse(text) as { name?: unknown; version?: unknown };
  return manifest.name === name && typeof manifest.version === 'string' ? manifest.version : undefined;
}

/** Why a module did not load: one line, without paths of this machine. */
export function describeLoadError(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [told = ''] = message.split(/\nRequire stack:/);
  return told
    .replace(/(["'])(\/[^"'\n]+)\1/g, (_match, quote: string, path: string) => quote + basename(path) + quote)
    .replace(/(?:\/[^\s/:'"]+)+/g, (path, at: number) => (isPath(told, path, at) ? basename(path) : path))
    .replace(/\s+/g, ' ')
    .trim();
}

/** A slash inside a word (`zstd-napi/binding`, a URL) does not start a path. */
function isPath(text: string, path: string, at: number): boolean {
  return path.length > 1 && !/[\w./:@-]/.test(text.charAt(at - 1));
}
