// Ending the process while threads sit in blocking system calls.
// On Node 20 process.exit() joins libuv's pool, so one thread in a blocking write(2) keeps it for ever.

import { libc } from './libc.js';

let ending = false;

/**
 * Ends the process at once with this exit status. Handlers of the 'exit' event still run (they remove temporary
 * files and flush logs); standard output and error are written synchronously by Node on Linux and need no flush.
 * Without koffi the process ends itself with SIGKILL instead: the status is then 137, whatever was asked for.
 */
export function exitNow(code: number): never {
  if (!ending) {
    ending = true; // a handler that calls us must not start over
    process.exitCode = code;
    try {
      process.emit('exit', code);
    } catch {
      // a handler that throws must not keep us here
    }
  }
  libc()?.exit(code);
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before the next system call returns; this loop is never turned twice.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}
