// `ThreadHost`: worker threads that several transfers share. Each thread takes the next chunk of the transfer that was served the
// fewest bytes, and those of one transfer in sequence. A thread that dies fails the transfer whose chunk it had, is replaced, and concerns
// no other transfer. Memory of a transfer may serve another one as soon as its workers were closed.

import { MessageChannel, type MessagePort } from 'node:worker_threads';

import { RamferryError } from '../errors.js';
import { COMPRESS_ENTRY, DECOMPRESS_ENTRY, SHARED_ENTRY } from '../os/entries.js';
import { withDeadline } from '../os/time/deadline.js';
import { allocateBell, Bell } from '../slot/bell.js';
import type { SeatMessage, SharedStartUp } from '../slot/start-up.js';
import { Turns } from '../slot/turns.js';
import { ThreadGroup } from './thread-group.js';
import type { Attachment, Workers } from './worker-pool.js';

/** How long a thread may take to end its job when its transfer has ended, counted while this process runs. */
const PATIENCE_MS = 3000;
/** Threads that may die one after the other without having ended a job; then no transfer begins any more. */
const MAX_DEATHS = 8;

const WORK = new Map<string, 'compress' | 'decompress'>([
  [COMPRESS_ENTRY.href, 'compress'],
  [DECOMPRESS_ENTRY.href, 'decompress'],
]);

/** One thread and its port. */
interface Thread {
  readonly group: ThreadGroup;
  readonly port: MessagePort;
}

interface Seat extends Attachment {
  readonly number: number;
  failed: boolean;
}

export class ThreadHost {
  readonly #bell: Bell;
  readonly #threads: Thread[];
  readonly #seats = new Map<number, Seat>();
  readonly #closing: Promise<void>[] = [];
  #nextSeat = 1;
  #deaths = 0;
  #over = false;

  /** Starts the threads. @param threads at least 1 */
  constructor(threads: number) {
    this.#bell = new Bell(allocateBell(threads));
    this.#threads = Array.from({ length: threads }, (_, thread) => this.#start(thread));
  }

  get bell(): SharedArrayBuffer {
    return this.#bell.memory;
  }

  get size(): number {
    return this.#threads.length;
  }

  /** For tests that kill one. */
  get threads(): ThreadGroup['threads'] {
    return this.#threads.flatMap(({ group }) => group.threads);
  }

  /** Gives the threads a further transfer. @throws ERR_WORKER_DIED where threads die again and again */
  attach(transfer: Attachment): Workers {
    if (this.#deaths >= MAX_DEATHS) {
      throw new RamferryError(
        'ERR_WORKER_DIED',
        'the shared threads die again and again: restart the server',
      );
    }
    const seat: Seat = { ...transfer, number: this.#nextSeat++, failed: false };
    this.#seats.set(seat.number, seat);
    // A transfer that begins has no start on the others, and owes them nothing.
    seat.ring.position = this.#bell.clock;
    for (const thread of this.#threads.keys()) this.#post(thread, beginning(seat));
    this.#bell.ring();
    let closing: Promise<void> | undefined;
    return {
      started: this.#threads.length,
      threads: this.threads,
      grow: () => undefined,
      close: () => (closing ??= this.#close(seat)),
    };
  }

  /** Ends the threads. All transfers must have been closed. */
  async close(): Promise<void> {
    this.#over = true;
    this.#bell.stop();
    await Promise.all([...this.#threads.map(({ group }) => group.close()), ...this.#closing]);
    for (const { port } of this.#threads) port.close();
  }

  #start(thread: number): Thread {
    const { port1, port2 } = new MessageChannel();
    // A port without a listener does not keep the process alive; this one only sends.
    port1.unref();
    const group = new ThreadGroup({ entry: SHARED_ENTRY, threads: 1 });
    const startUp: SharedStartUp = { bell: this.#bell.memory, thread, port: port2 };
    const stop = (): void => this.#bell.ring();
    group.onDeath((error) => this.#died(thread, error));
    if (group.work(startUp, stop, undefined, [port2]) === undefined) {
      queueMicrotask(() => this.#died(thread, group.refusal!));
    }
    group.tellLoaded(false);
    return { group, port: port1 };
  }

  #post(thread: number, message: SeatMessage): void {
    this.#threads[thread]!.port.postMessage(message);
    this.#bell.announce(thread);
  }

  #died(thread: number, error: RamferryError): void {
    if (this.#over) return;
    this.#deaths++;
    const seat = this.#seats.get(this.#bell.atWork(thread));
    this.#bell.clear(thread);
    if (seat !== undefined) {
      this.#fail(seat, error);
      seat.ring.leave();
    }
    if (this.#deaths >= MAX_DEATHS) {
      for (const other of this.#seats.values()) this.#fail(other, error);
      return;
    }
    this.#replace(thread);
  }

  #replace(thread: number): void {
    const { group, port } = this.#threads[thread]!;
    port.close();
    this.#closing.push(group.close());
    this.#threads[thread] = this.#start(thread);
    for (const seat of this.#seats.values()) this.#post(thread, beginning(seat));
    this.#bell.ring();
  }

  #fail(seat: Seat, error: RamferryError): void {
    if (seat.failed) return;
    seat.failed = true;
    const { store } = seat.startUp;
    // A thread that waits for the dead thread's chunk would wait for ever.
    if (store !== undefined) new Turns(store.turns).failRest();
    seat.onFailure(error);
  }

  async #close(seat: Seat): Promise<void> {
    seat.failed = true;
    seat.ring.stop();
    await withDeadline(seat.ring.unused(), PATIENCE_MS, () => this.#endHanging(seat));
    this.#seats.delete(seat.number);
    this.#deaths = 0;
    for (const thread of this.#threads.keys()) this.#post(thread, { end: seat.number });
    this.#bell.ring();
  }

  /** A thread that does not come back from a job is terminated: its transfer's memory must not be written any more. */
  async #endHanging(seat: Seat): Promise<void> {
    seat.onFailure(new RamferryError('ERR_WORKER_DIED', 'a worker thread hung and was ended'));
    for (const thread of this.#threads.keys()) {
      if (this.#bell.atWork(thread) !== seat.number) continue;
      const { group } = this.#threads[thread]!;
      this.#bell.clear(thread);
      this.#replace(thread);
      await group.close();
    }
  }
}

function beginning({ number, entry, startUp }: Seat): SeatMessage {
  const work = WORK.get(entry.href);
  if (work === undefined) throw new RamferryError('ERR_INTERNAL', `shared threads cannot run ${entry.href}`);
  return { begin: number, work, startUp };
}
