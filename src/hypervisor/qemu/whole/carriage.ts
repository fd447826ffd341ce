// The way of QEMU's stream: `send` from a socket at which the source's QEMU connects, to the destination's receiver, or to a `receive` in
// this process. Ends only when its caller says so or the stream ends: the user's signal cancels QEMU's migration, not the stream.

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { RamferryError, toRamferryError } from '../../../errors.js';
import { Signal } from '../../../os/signal.js';
import { receive } from '../../../transfer/receive.js';
import { sendWith } from '../../../transfer/send.js';
import { Statistics } from '../../../transfer/statistics/statistics.js';
import type { Progress, TransferSummary } from '../../../transfer/statistics/summary.js';
import type { ResolvedQemuMigrateOptions } from './options.js';

/** A `receive` in this process. */
interface Local {
  readonly address: string;
  readonly ended: Promise<unknown>;
  readonly remove: () => void;
}

export class Carriage {
  readonly #settings: ResolvedQemuMigrateOptions;
  readonly #isGuestStopped: () => boolean;
  readonly #controller = new AbortController();
  #failure: RamferryError | undefined;
  #statistics: Statistics | undefined;
  /** The URI for QEMU's `migrate`, when ramferry listens. Rejects with the transfer's error when it ends before. */
  readonly listening: Promise<string>;
  /** The summary of `send`. Rejects with its error, or with that of `receive` in this process. */
  readonly ended: Promise<TransferSummary>;

  /** @param isGuestStopped what the source's monitor says: with `reconnect` a broken link has less time then */
  constructor(settings: ResolvedQemuMigrateOptions, isGuestStopped: () => boolean) {
    this.#settings = settings;
    this.#isGuestStopped = isGuestStopped;
    const heard = new Signal();
    let address = '';
    const onListening = (at: string): void => {
      address = at;
      heard.notify();
    };
    this.ended = this.#carry(onListening);
    this.ended.catch((thrown: unknown) => (this.#failure = toRamferryError(thrown)));
    const ready = heard.wait().then(() => this.#ready(address));
    this.listening = Promise.race([
      ready,
      this.ended.then((): never => {
        throw new RamferryError('ERR_INTERNAL', 'the transfer ended before QEMU was told to migrate');
      }),
    ]);
    this.listening.catch(() => undefined);
  }

  /** The figures of `send` now; undefined before it has begun. */
  get progress(): Progress | undefined {
    return this.#statistics?.progress();
  }

  /** Why the transfer has failed; undefined while it runs, and after its success. */
  get failure(): RamferryError | undefined {
    return this.#failure;
  }

  /** Ends the transfer and waits until everything is closed. */
  async abort(error: RamferryError): Promise<void> {
    this.#controller.abort(error);
    await this.ended.catch(() => undefined);
  }

  /** Figures for a migration whose transfer has reported none. */
  summary(): TransferSummary {
    return new Statistics().summary('unverified');
  }

  async #carry(onListening: (address: string) => void): Promise<TransferSummary> {
    const { values, send: options, outgoing } = this.#settings;
    const { signal } = this.#controller;
    const local = values.output === undefined ? await this.#receiveHere() : undefined;
    const statistics = new Statistics();
    const sending = sendWith(
      {
        ...options,
        ...{ input: outgoing.listen, output: values.output ?? local!.address, force: true },
        downtimeLimit: values.downtimeLimit,
        ...{ signal, onListening, onProgress: values.onProgress, onWarning: values.onWarning },
      },
      { statistics, isGuestStopped: this.#isGuestStopped },
    );
    this.#statistics = statistics;
    if (local === undefined) return sending;
    try {
      const summary = await sending;
      await local.ended;
      return summary;
    } catch (thrown) {
      this.#controller.abort(toRamferryError(thrown));
      await local.ended.catch(() => undefined);
      throw thrown;
    } finally {
      local.remove();
    }
  }

  /** Receives in this process, for a destination on this host. */
  async #receiveHere(): Promise<Local> {
    const { values, incoming } = this.#settings;
    const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-'));
    const path = join(directory, 'link');
    const heard = new Signal();
    const ended = receive({
      ...{ input: `unix-listen:${path}`, output: incoming!, ioTimeout: values.ioTimeout },
      ...{ reconnect: values.reconnect, connections: values.connections },
      ...{ signal: this.#controller.signal, onListening: () => heard.notify() },
    });
    ended.catch(() => undefined);
    const remove = (): void => fs.rmSync(directory, { recursive: true, force: true });
    await Promise.race([heard.wait(), ended.finally(remove)]);
    return { address: `unix:${path}`, ended, remove };
  }

  /** @returns the address for QEMU, which may run as another user: the one who made its monitor */
  #ready(listening: string): string {
    const { outgoing, source } = this.#settings;
    const path = /^unix-listen:(.*)$/s.exec(outgoing.listen)?.[1];
    if (path !== undefined && typeof source === 'string') {
      const { uid, gid } = fs.statSync(source);
      if (uid !== process.getuid?.()) fs.chownSync(path, uid, gid);
    }
    return outgoing.uri ?? listening;
  }
}
