// One QEMU of a migration, reached over its monitor. A connection that ends is made anew, because the monitor's end is not QEMU's end:
// a forwarded socket may break. Tells whether QEMU's process has certainly ended. Makes no decision about the guest.

import { setTimeout as sleep } from 'node:timers/promises';

import { toRamferryError } from '../../../errors.js';
import { AwakeDeadline } from '../../../os/time/awake-timer.js';
import { startTime, UNREADABLE } from '../../../os/process/process-start.js';
import { type MonitorAddress, monitorText, type QmpEvent } from '../qmp/client.js';
import { QemuGuest } from '../qmp/guest.js';
import { holdersOf, programOf } from '../ram/qemu-process.js';

/** Between two attempts at a monitor that does not answer. */
const RETRY_MS = 50;

export interface MonitoredOptions {
  readonly side: 'source' | 'destination';
  readonly address: MonitorAddress;
  /** Milliseconds for each command, and for a lost monitor to come back. */
  readonly timeout: number;
  readonly onEvent?: (event: QmpEvent) => void;
}

export class Monitored {
  readonly side: 'source' | 'destination';
  readonly #options: MonitoredOptions;
  #guest: QemuGuest;
  /** QEMU's process, where the monitor's socket is its own and on this host. */
  readonly #process: ProcessMark | undefined;
  /** QEMU accepted `quit`, and its monitor has closed. */
  #quit = false;
  #reaching: Promise<void> | undefined;

  private constructor(options: MonitoredOptions, guest: QemuGuest) {
    this.side = options.side;
    this.#options = options;
    this.#guest = guest;
    this.#process = typeof options.address === 'string' ? qemuBehind(options.address) : undefined;
  }

  /** @throws ERR_QMP_… */
  static async connect(options: MonitoredOptions): Promise<Monitored> {
    return new Monitored(options, await connect(options));
  }

  /** The monitor as users write it. */
  get text(): string {
    return monitorText(this.#options.address);
  }

  /** Whether the process has certainly ended. False where that is not known. */
  get gone(): boolean {
    return this.#quit || (this.#process !== undefined && hasEnded(this.#process));
  }

  /** The connection has ended, and no new one was made yet. */
  get broken(): boolean {
    return this.#guest.monitor.failure !== undefined;
  }

  /**
   * Asks QEMU, on a new connection if the old one has ended. For questions and repeatable commands only.
   * @throws ERR_QMP_COMMAND, ERR_QMP_PROTOCOL; with `broken` set, the reason why QEMU has not answered for `timeout`
   */
  async ask<T>(question: (guest: QemuGuest) => Promise<T>): Promise<T> {
    for (;;) {
      await this.reach();
      try {
        return await question(this.#guest);
      } catch (thrown) {
        if (!this.broken) throw thrown;
      }
    }
  }

  /** Resolves when the monitor is connected. @throws ERR_QMP_…, with `broken` set */
  reach(): Promise<void> {
    if (!this.broken) return Promise.resolve();
    // QEMU serves one client: a second attempt beside the first would wait for its greeting.
    this.#reaching ??= this.#reconnect().finally(() => (this.#reaching = undefined));
    return this.#reaching;
  }

  async #reconnect(): Promise<void> {
    const deadline = new AwakeDeadline(this.#options.timeout);
    for (;;) {
      if (this.gone) throw this.#guest.monitor.failure!;
      try {
        this.#guest = await connect(this.#options);
        return;
      } catch (thrown) {
        if (deadline.left <= 0) throw toRamferryError(thrown);
        await sleep(RETRY_MS);
      }
    }
  }

  /**
   * Sends a command once, on the present connection.
   * @throws ERR_QMP_COMMAND: QEMU has refused it. Any other error: it is unknown whether QEMU has executed it
   */
  once(command: (guest: QemuGuest) => Promise<void>): Promise<void> {
    return command(this.#guest);
  }

  /** Ends QEMU. @returns whether its process has certainly ended */
  async quit(): Promise<boolean> {
    try {
      await this.reach();
      await this.#guest.quit();
      await this.#guest.monitor.closed;
      this.#quit = true;
    } catch {
      await this.#awaitEnd();
    }
    return this.gone;
  }

  /** A process that does not answer `quit` may be ending already. */
  async #awaitEnd(): Promise<void> {
    const deadline = new AwakeDeadline(this.#options.timeout);
    while (this.#process !== undefined && !this.gone && deadline.left > 0) await sleep(RETRY_MS);
  }

  close(): void {
    this.#guest.close();
  }
}

function connect({ address, timeout, onEvent }: MonitoredOptions): Promise<QemuGuest> {
  return QemuGuest.connect(address, { timeout, ...(onEvent === undefined ? {} : { onEvent }) });
}

/** A process and its start, which together are unique on this host until it restarts. */
interface ProcessMark {
  readonly pid: number;
  readonly started: string;
}

/** The QEMU that holds the monitor's socket; undefined where another program does (ssh), or where /proc does not tell. */
function qemuBehind(path: string): ProcessMark | undefined {
  const holders = holdersOf(path);
  const [pid] = holders;
  if (pid === undefined || holders.length > 1 || !programOf(pid).startsWith('qemu')) return undefined;
  const started = startTime(pid);
  return started === undefined || started === UNREADABLE ? undefined : { pid, started };
}

function hasEnded({ pid, started }: ProcessMark): boolean {
  const now = startTime(pid);
  return now !== started && now !== UNREADABLE;
}
