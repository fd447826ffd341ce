// A bound on the working threads of all ramferry processes of this host and user together: one semaphore of System V,
// known by a key. The kernel hands places over in the order of asking, and takes back what a process holds when it
// ends, however it ends (SEM_UNDO).
// The bound is a courtesy to the host, never a reason to stop: a thread that has waited too long works without a place.

import os from 'node:os';
import { declareForeign } from './foreign.js';

/** Which semaphore: plain numbers, so that worker threads can be told. */
export interface HostThreadsKey {
  readonly key: number;
  /** Places in all; takes effect where the semaphore is made. */
  readonly count: number;
}

/** "RF" in the upper half; the lower holds the user and the number of places. */
const KEY_BASE = 0x5246_0000;

/** Processes share a bound when they run as the same user and were given the same number. */
export function hostThreadsKey(count: number): HostThreadsKey {
  const user = process.getuid?.() ?? 0;
  return { key: KEY_BASE | ((user & 0xff) << 8) | (count & 0xff), count };
}

// Linux, all architectures Node runs on (linux/ipc.h, linux/sem.h).
const IPC_CREAT = 0o1000;
const IPC_EXCL = 0o2000;
const GETPID = 11;
const SETVAL = 16;
const SEM_UNDO = 0x1000;
const OWNER_ONLY = 0o600;
const { EAGAIN, EEXIST } = os.constants.errno;

export interface HostPatience {
  /** Milliseconds; longer than many processes together need for a round of chunks. After it a holder is taken for stuck. */
  readonly patience: number;
  /** Milliseconds; once a holder was stuck, no thread waits during this time. */
  readonly truce: number;
}
const PATIENCE: HostPatience = { patience: 2_000, truce: 10_000 };

interface Semaphores {
  get(key: number, semaphores: number, flags: number): number;
  set(id: number, value: number): number;
  /** The process that changed it last; 0 = none yet. */
  lastProcess(id: number): number;
  change(id: number, by: number, wait: bigint): number;
  errno(): number;
}

const functions = declareForeign<{
  semget(key: number, count: number, flags: number): number;
  semctl(id: number, number: number, command: number, type: 'int', value: number): number;
  semtimedop(id: number, operations: Uint8Array, count: number, timeout: Uint8Array): number;
}>({
  semget: 'int semget(int key, int count, int flags)',
  semctl: 'int semctl(int id, int number, int command, ...)',
  semtimedop: 'int semtimedop(int id, const void *operations, size_t count, const void *timeout)',
});

function semaphores(): Semaphores | undefined {
  const calls = functions();
  if (calls === undefined) return undefined;
  // struct sembuf: unsigned short number, short by, short flags; struct timespec: two longs.
  const operation = new Int16Array(3);
  const timeout = new BigInt64Array(2);
  const operationBytes = new Uint8Array(operation.buffer);
  const timeoutBytes = new Uint8Array(timeout.buffer);
  return {
    get: (key, count, flags) => calls.semget(key, count, flags),
    set: (id, value) => calls.semctl(id, 0, SETVAL, 'int', value),
    lastProcess: (id) => calls.semctl(id, 0, GETPID, 'int', 0),
    change: (id, by, wait) => {
      operation[1] = by;
      operation[2] = SEM_UNDO;
      timeout[0] = wait / 1000n;
      timeout[1] = (wait % 1000n) * 1_000_000n;
      return calls.semtimedop(id, operationBytes, 1, timeoutBytes);
    },
    errno: calls.errno,
  };
}

/** One thread's view of the bound. */
export class HostThreads {
  readonly #calls: Semaphores;
  readonly #id: number;
  readonly #count: number;
  readonly #patience: HostPatience;
  #truceUntil = 0;

  private constructor(calls: Semaphores, id: number, count: number, patience: HostPatience) {
    this.#calls = calls;
    this.#id = id;
    this.#count = count;
    this.#patience = patience;
  }

  /** Makes the semaphore if it does not exist; undefined where the system has none for us. */
  static open({ key, count }: HostThreadsKey, patience = PATIENCE): HostThreads | undefined {
    const calls = semaphores();
    if (calls === undefined) return undefined;
    let id = calls.get(key, 1, IPC_CREAT | IPC_EXCL | OWNER_ONLY);
    if (id >= 0) {
      // Until here its value is 0: a process that opens it in between waits.
      if (calls.set(id, count) < 0) return undefined;
    } else if (calls.errno() === EEXIST) {
      id = calls.get(key, 1, OWNER_ONLY);
    }
    return id < 0 ? undefined : new HostThreads(calls, id, count, patience);
  }

  /**
   * Waits, blocking this thread, until a place is free.
   * @returns whether the caller has one, to be given back; false after waiting in vain.
   */
  take(): boolean {
    const now = performance.now();
    if (now < this.#truceUntil) return this.#try(0);
    if (this.#try(this.#patience.patience)) return true;
    // Its maker died before it set the value: without this it would never have a place.
    if (this.#calls.lastProcess(this.#id) === 0) this.#calls.set(this.#id, this.#count);
    this.#callTruce();
    return false;
  }

  give(): void {
    this.#calls.change(this.#id, 1, 0n);
  }

  #try(milliseconds: number): boolean {
    // EAGAIN is the time that is over; anything else (a signal, a semaphore that was removed) is no place either.
    const result = this.#calls.change(this.#id, -1, BigInt(milliseconds));
    if (result < 0 && this.#calls.errno() !== EAGAIN) this.#callTruce();
    return result >= 0;
  }

  #callTruce(): void {
    this.#truceUntil = performance.now() + this.#patience.truce;
  }
}
