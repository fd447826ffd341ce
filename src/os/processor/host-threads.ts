// `HostThreads`: limits the working threads of all ramferry processes of one user on this host together, with a System V semaphore.
// The kernel grants places in the order of the requests. It takes back the places of a process that ends in any way (SEM_UNDO).
// The limit relieves the host and never blocks a transfer: a thread that has waited too long works without a place.

import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { declareForeign } from '../foreign.js';

/** Identifies the semaphore. Plain numbers, which can be sent to worker threads. */
export interface HostThreadsKey {
  readonly key: number;
  /** Number of places; used by the process that creates the semaphore. */
  readonly count: number;
}

/** "RF" in the upper half. The lower half holds the user and the number of places. */
const KEY_BASE = 0x5246_0000;

/** Processes share a limit when they run as the same user with the same number of places. */
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
  /** Milliseconds that a thread waits for a place. Many processes together need less for one chunk each, so a holder is then stuck. */
  readonly patience: number;
  /** Milliseconds without waiting after a holder was stuck. */
  readonly truce: number;
}
const PATIENCE: HostPatience = { patience: 2_000, truce: 10_000 };

/** Milliseconds between two looks for a place that does not block the thread: about as long as a chunk takes. */
const LOOK_EVERY_MS = 4;

interface Semaphores {
  get(key: number, semaphores: number, flags: number): number;
  set(id: number, value: number): number;
  /** PID of the process that changed the value last; 0 = none yet. */
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

/** The limit as one thread uses it. */
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

  /** Opens the semaphore, and creates it when it does not exist. Undefined where the system gives none. */
  static open({ key, count }: HostThreadsKey, patience = PATIENCE): HostThreads | undefined {
    const calls = semaphores();
    if (calls === undefined) return undefined;
    let id = calls.get(key, 1, IPC_CREAT | IPC_EXCL | OWNER_ONLY);
    if (id >= 0) {
      // The value is 0 until this call, so a process that opens the semaphore earlier waits.
      if (calls.set(id, count) < 0) return undefined;
    } else if (calls.errno() === EEXIST) {
      id = calls.get(key, 1, OWNER_ONLY);
    }
    return id < 0 ? undefined : new HostThreads(calls, id, count, patience);
  }

  /**
   * Blocks the thread until a place is free.
   * @returns true when the caller has a place, which it must give back; false when the time limit passed
   */
  take(): boolean {
    if (performance.now() < this.#truceUntil) return this.#try(0);
    if (this.#try(this.#patience.patience)) return true;
    this.#holderIsStuck();
    return false;
  }

  /** As take(), but the thread's event loop goes on while it waits. */
  async takeSoon(): Promise<boolean> {
    const until = performance.now() + this.#patience.patience;
    for (;;) {
      if (this.#try(0)) return true;
      const now = performance.now();
      if (now < this.#truceUntil) return false;
      if (now >= until) break;
      await sleep(LOOK_EVERY_MS);
    }
    this.#holderIsStuck();
    return false;
  }

  #holderIsStuck(): void {
    // The creator ended before it set the value. Without this call the semaphore would never have a place.
    if (this.#calls.lastProcess(this.#id) === 0) this.#calls.set(this.#id, this.#count);
    this.#callTruce();
  }

  give(): void {
    this.#calls.change(this.#id, 1, 0n);
  }

  #try(milliseconds: number): boolean {
    // EAGAIN: the time is over. Other errors (a signal, a removed semaphore) give no place either.
    const result = this.#calls.change(this.#id, -1, BigInt(milliseconds));
    if (result < 0 && this.#calls.errno() !== EAGAIN) this.#callTruce();
    return result >= 0;
  }

  #callTruce(): void {
    this.#truceUntil = performance.now() + this.#patience.truce;
  }
}
