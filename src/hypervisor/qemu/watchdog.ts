// Starts and informs the watchdog: a process of its own that outlives this one (watchdog-main.ts). It is told before each
// step that changes what must be done if we die; a note is in its pipe when the promise is kept.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { RamferryError } from '../../errors.js';
import { withDeadline } from '../../os/deadline.js';
import { WATCHDOG_ENTRY } from '../../os/entries.js';
import type { RescueOptions } from './rescue.js';

/** The link's socket in the watchdog. */
export const LINK_FD = 3;
export const READY = 'ready\n';
const START_MS = 20_000;

export interface WatchdogOrders extends RescueOptions {
  readonly side: 'source' | 'destination';
}

/**
 * stopping: the source's guest is about to be stopped. committed: GO is about to be written.
 * continuing: the destination's guest is about to be continued. released: nothing is left to be done.
 */
export type Note = 'stopping' | 'committed' | 'continuing' | 'released';

export class Watchdog {
  readonly #child: ChildProcess;
  #released = false;
  /** Resolves when it ends although it was not released. */
  readonly lost: Promise<RamferryError>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.lost = once(child, 'exit').then(() =>
      this.#released
        ? new Promise<never>(() => undefined)
        : new RamferryError('ERR_WATCHDOG', 'the watchdog process has ended', {
            hint: 'without it a crash could leave the guest stopped: nothing goes on',
          }),
    );
  }

  /** @param linkFd the link's socket, which it shares. @throws ERR_WATCHDOG */
  static async start(orders: WatchdogOrders, linkFd: number): Promise<Watchdog> {
    const child = spawn(process.execPath, [fileURLToPath(WATCHDOG_ENTRY), JSON.stringify(orders)], {
      // A session of its own: what is sent to our process group does not reach it.
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit', linkFd],
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
    // It does not keep us alive; we do not keep it.
    child.unref();
    for (const stream of [child.stdin!, child.stdout!]) (stream as unknown as { unref(): void }).unref();
    return new Watchdog(child);
  }

  /** Process number, for tests. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** @throws ERR_WATCHDOG when nobody is there to read it */
  note(note: Note): Promise<void> {
    this.#released ||= note === 'released';
    return new Promise((resolve, reject) => {
      this.#child.stdin!.write(`${note}\n`, (thrown) => {
        if (!thrown) resolve();
        else reject(new RamferryError('ERR_WATCHDOG', 'the watchdog process is gone', { cause: thrown }));
      });
    });
  }

  /** Nothing is left for it to do. Never rejects. */
  async release(): Promise<void> {
    await this.note('released').catch(() => undefined);
  }
}
