// Where the checkout, its built programs and the recordings of real guests lie. Harness, benches and tests take these paths from
// here, so a file that moves to another folder does not lose them.

import { join } from 'node:path';

/** From dist/lab/, where this file is compiled to. */
export const CHECKOUT = join(import.meta.dirname, '../..');

/** The command as `tsc` compiles it: what tests run, with the stack traces of the sources. */
export const COMPILED_COMMAND = join(CHECKOUT, 'dist/src/cli/main.js');

/** The command as it is shipped: what benches and the soak run. */
export const SHIPPED_COMMAND = join(CHECKOUT, 'bundle/src/cli/main.js');

/** A recording of a real guest, in the folder `shared` beside the checkout; it may be absent. */
export function recordingPath(name: string): string {
  return join(CHECKOUT, '../shared/data', name);
}
