// Starts and informs the watchdog, a process that outlives this one (watchdog-main.ts). A note precedes each step that changes
// what must happen if this process dies. The promise of a note resolves when the note is in the watchdog's pipe.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { RamferryError } from '../../errors.js';
import { nodeCommand } from '../../os/process/node-command.js';
import { withDeadline } from '../../os/time/deadline.js';
import { WATCHDOG_ENTRY } from '../../os/entries.js';
import type { RescueOptions } from './rescue.js';

/** Descriptor of the link's socket in the watchdog. */
export const LINK_FD = 3;
export const READY = 'ready\n';
const START_MS = 20_000;

export interface WatchdogOrders extends RescueOptions {
  readonly side: 'source' | 'destination';
  /** The watchdog shares the link's socket. False: one connection after the other carries the link. */
  readonly sharesLink: boolean;
  /** Source: the address of the link. */
  readonly output?: string;
}

/**
 * stopping: the source is about to stop its guest. committed: the source is about to write GO.
 * continuing: the destination is about to continue its guest. released: the watchdog has nothing left to do.
 * kept:ID: the destination keeps its verdict under this id, in hexadecimal, for a connection that asks.
 */
export type Note = 'stopping' | 'committed' | 'continuing' | 'released' | `kept:${string}`;

export class Watchdog {
  readonly #child: ChildProcess;
  #released = false;
  /** Resolves when the watchdog ends without being released. */
  readonly lost: Promise<RamferryError>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.lost = once(child, 'exit').then(() =>
      this.#released
        ? new Promise<never>(() => undefined)
        : new RamferryError('ERR_WATCHDOG', 'the watchdog process has ended', {
            hint: 'without it a crash could leave the guest stopped: the migration is cancelled',
          }),
    );
  }

  /** @param linkFd the link's socket, which the watchdog shares; undefined: it shares none. @throws ERR_WATCHDOG */
  static async start(
    rescue: Omit<WatchdogOrders, 'sharesLink'>,
    linkFd: number | undefined,
  ): Promise<Watchdog> {
    const [node, ...before] = nodeCommand();
    const orders: WatchdogOrders = { ...rescue, sharesLink: linkFd !== undefined };
    const child = spawn(node, [...before, fileURLToPath(WATCHDOG_ENTRY), JSON.stringify(orders)], {
      // A session of its own: signals to ramferry's process group do not reach it.
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit', linkFd ?? 'ignore'],
    });
    child.stdin!.on('error', () => undefined);
    try {
      const first = Promise.race([
        once(child.stdout!, 'data').then(([data]) => String(data)),
        once(child, 'exit').then(() => 'end'),
      ]);
      const said = await withDeadline(first, START_MS, () => 'nothing');
      if (said !== READY) throw new Error(`it said ${said}`);
    } catch (cause) {
      child.kill('SIGKILL');
      throw new RamferryError('ERR_WATCHDOG', 'the watchdog process cannot be started', { cause });
    }
    // Neither process keeps the other one alive.
    child.unref();
    for (const stream of [child.stdin!, child.stdout!]) (stream as unknown as { unref(): void }).unref();
    return new Watchdog(child);
  }

  /** Process number, for tests. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** @throws ERR_WATCHDOG when the watchdog is gone */
  note(note: Note): Promise<void> {
    this.#released ||= note === 'released';
    return new Promise((resolve, reject) => {
      this.#child.stdin!.write(`${note}\n`, (thrown) => {
        if (!thrown) resolve();
        else reject(new RamferryError('ERR_WATCHDOG', 'the watchdog process is gone', { cause: thrown }));
      });
    });
  }

  /** Ends the watchdog: it has nothing left to do. Never rejects. */
  async release(): Promise<void> {
    await this.note('released').catch(() => undefined);
  }
}
