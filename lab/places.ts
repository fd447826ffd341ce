// Paths of the checkout, its built programs and the recordings of real guests. Harness, benches and tests import them
// from here, so moving a file to another folder does not break its paths.

import { join } from 'node:path';

/** The checkout, relative to dist/lab/, which holds this file's compiled form. */
export const CHECKOUT = join(import.meta.dirname, '../..');

/** The command as `tsc` compiles it. Tests run it, since its stack traces name the sources. */
export const COMPILED_COMMAND = join(CHECKOUT, 'dist/src/cli/main.js');

/** The shipped command, which benches and the soak run. */
export const SHIPPED_COMMAND = join(CHECKOUT, 'bundle/src/cli/main.js');

/** Streams of real QEMUs that travel with the checkout. */
export const GOLDEN_QEMU = join(CHECKOUT, 'test/golden/qemu');

/** A recording of a real guest, in the folder `shared` beside the checkout; it may be absent. */
export function recordingPath(name: string): string {
  return join(CHECKOUT, '../shared/data', name);
}
