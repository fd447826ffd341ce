// `exitNow`: ends the process while threads block in system calls.
// On Node 20 process.exit() joins libuv's pool, so one thread in a blocking write(2) delays it without a limit.

import { isLibcLoaded, libc } from '../libc.js';

let ending = false;

/**
 * Ends the process at once with this exit status. Handlers of the 'exit' event still run: they remove temporary files and flush logs.
 * Node.js writes standard output and error synchronously on Linux, so they need no flush.
 * Without koffi the process sends itself SIGKILL instead, and the status is 137.
 */
export function exitNow(code: number): never {
  if (!ending) {
    ending = true; // a handler that calls exitNow must not run the handlers again
    process.exitCode = code;
    try {
      process.emit('exit', code);
    } catch {
      // a handler that throws must not prevent the exit
    }
  }
  libc()?.exit(code);
  process.kill(process.pid, 'SIGKILL');
  // The signal arrives before the next system call returns, so the loop runs once at most.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

/**
 * Ends a process that has nothing left to do, without taking down V8's heap and Node's modules one by one: 5 % of a short transfer.
 * Nothing of this process may be in a thread of libuv's pool: where koffi is not loaded, Node waits for it. Loads nothing.
 */
export function exitFinished(code: number): never {
  if (isLibcLoaded()) exitNow(code);
  process.exit(code);
}
