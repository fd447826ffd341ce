// Keeps the consoles of a failed run. A guest that panics prints the reason only on its console, and either machine may
// have run it then. Both consoles are therefore kept whole, and the error names the files.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface WithConsole {
  readonly name: string;
  readonly console: string;
}

/** Writes the console of every machine to its own file, which stays. @returns the paths, for an error's text */
export function saveConsoles(machines: readonly WithConsole[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'ramferry-consoles-'));
  const paths = machines.map(({ name, console }) => {
    const path = join(directory, `${name}.console`);
    writeFileSync(path, console, { encoding: 'latin1', mode: 0o600 });
    return path;
  });
  return `consoles: ${paths.join(' ')}`;
}

/**
 * Calls `run`; keeps the consoles when it fails.
 * @throws Error with the message of the failure and the paths
 */
export async function keepConsoles<T>(machines: readonly WithConsole[], run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${message}\n${saveConsoles(machines)}`, { cause });
  }
}
