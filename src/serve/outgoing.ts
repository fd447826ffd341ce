// Guests that leave: each has a socket of its own, to which its hypervisor connects. A connection that has said its first byte waits
// in line, and is then carried to the receiver under the socket's name.

import { Buffer } from 'node:buffer';
import type net from 'node:net';

import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { formatAddress } from '../link/address.js';
import { accept, type Accepted } from '../link/listen/binding.js';
import { RateBudget } from '../link/rate-limit.js';
import type { SendOptions } from '../options/rows/send.js';
import { resolveSendOptions } from '../options/transfer.js';
import { chooseCoding } from '../transfer/plan/coding.js';
import { sharedBytes } from '../transfer/plan/memory.js';
import { divideMemory } from '../transfer/plan/reconnection.js';
import { sendHosted } from '../transfer/send.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import { formatSize } from '../units.js';
import { GuestSockets } from './guest-sockets.js';
import { Line } from './line.js';
import type { OutgoingSettings, ServeSettings } from './options.js';
import type { Served } from './register.js';
import { carry, type ServerParts } from './parts.js';
import { receiversOf } from './security.js';

export class OutgoingGuests {
  readonly #settings: ServeSettings;
  readonly #ends: OutgoingSettings;
  readonly #parts: ServerParts;
  readonly #line: Line;
  readonly #rateBudget: RateBudget | undefined;
  /** Guests that wait or are on their way. */
  readonly #carried = new Set<string>();
  /** Connections that have said no byte, with their guests' names. */
  readonly #silent = new Map<Accepted, string>();
  /** Where their hypervisors connect. */
  readonly sockets: GuestSockets;

  /** @throws ERR_OPTION_INVALID, ERR_CODEC_UNAVAILABLE, ERR_MEMORY_LIMIT for options that no transfer could use */
  constructor(settings: ServeSettings, ends: OutgoingSettings, parts: ServerParts) {
    this.#settings = settings;
    this.#ends = ends;
    this.#parts = parts;
    this.#line = new Line(settings.maxTransfers);
    const { maxBandwidth } = settings;
    this.#rateBudget = maxBandwidth === 0 ? undefined : new RateBudget(maxBandwidth);
    this.sockets = new GuestSockets(settings, ends, parts.hooks, (name, socket) => this.take(name, socket));
    const sending = divideMemory(resolveSendOptions(this.#sendOptions('name', [])));
    chooseCoding(sending);
    checkKept(sending.kept, settings);
  }

  get line(): Line {
    return this.#line;
  }

  /** Changes what all guests together may take of the link. @param bytesPerSecond more than 0 */
  setBandwidth(bytesPerSecond: number): void {
    this.#rateBudget?.setRate(bytesPerSecond);
  }

  /** Takes a connection of a guest's hypervisor whose reading has not begun. */
  take(name: string, socket: net.Socket): void {
    const place = this.#ends.pattern.address(name);
    accept(socket, place.kind, {
      ...{ label: formatAddress(place), ioTimeout: this.#settings.ioTimeout },
      onTurnedAway: (origin, why) => this.#parts.refusals.report(origin, why),
      onAccepted: (accepted) => {
        // A further connection may say nothing for long (postcopy-preempt) while the destination waits for it.
        if (this.#carried.has(name)) this.#refuseFurther(name, accepted);
        else void this.#hear(name, accepted);
      },
    });
  }

  /** The guest is on its way on another connection. */
  #refuseFurther(name: string, accepted: Accepted): void {
    const what = `${name} is on its way already, and a server carries one connection of each guest's hypervisor`;
    const hint =
      'turn multifd and postcopy-preempt off at both QEMUs, or carry this guest by `send` and `receive` with --hypervisor-connections';
    this.#parts.refusals.report(accepted, `${what}: ${hint}`);
    accepted.link.fail(new RamferryError('ERR_LINK_NEGOTIATION', what, { hint }));
  }

  /** A program that connects and says nothing takes no guest's place in line. */
  async #hear(name: string, accepted: Accepted): Promise<void> {
    const { link } = accepted;
    const first = Buffer.alloc(1);
    this.#silent.set(accepted, name);
    try {
      link.source!.patience?.(0);
      if ((await link.source!.read(first)) === 0) {
        link.fail(new RamferryError('ERR_LINK_CLOSED', 'the connection was closed without a byte'));
        return;
      }
    } catch {
      return; // The connection is gone.
    } finally {
      this.#silent.delete(accepted);
    }
    link.unread(first);
    await this.#serve(name, accepted);
  }

  async #serve(name: string, accepted: Accepted): Promise<void> {
    const { register, claims } = this.#parts;
    const id = await claims.take('outgoing', name);
    if (id === undefined) {
      this.#refuseFurther(name, accepted);
      return;
    }
    this.#carried.add(name);
    for (const [silent, of] of this.#silent) if (of === name) this.#refuseFurther(name, silent);
    const served = register.begin({ id, name, direction: 'outgoing', peer: accepted.from });
    const ticket = this.#line.enter((ahead) => (served.ahead = ahead));
    const outcome = await this.#admit(served, ticket.admitted)
      .then(() => this.#send(served, accepted))
      .catch((thrown: unknown) => toRamferryError(thrown));
    ticket.leave();
    // The hypervisor sees the end of a transfer that never began, too.
    if (outcome instanceof Error) accepted.link.fail(outcome);
    this.#carried.delete(name);
    claims.release(id);
    this.#parts.ended(register.end(served, outcome), outcome);
  }

  async #admit({ controller: { signal } }: Served, admitted: Promise<void>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      void admitted.then(resolve);
      onAbort(signal, () => reject(toRamferryError(signal.reason)));
    });
  }

  async #send(served: Served, { link: input }: Accepted): Promise<TransferSummary> {
    const { name, controller } = served;
    const { signal } = controller;
    const onWarning = (text: string): void => this.#parts.hooks.onWarning(`${name}: ${text}`);
    const tlsAuthz = receiversOf(name, this.#settings.tlsAuthz);
    const options = { ...this.#sendOptions(name, tlsAuthz), signal, onWarning };
    const parts = this.#parts.lend();
    return carry(served, input, (statistics) =>
      sendHosted(options, {
        ...{ input, statistics, parts },
        ...{ rateBudget: this.#rateBudget, memory: this.#parts.memory },
      }),
    );
  }

  #sendOptions(name: string, tlsAuthz: readonly string[]): SendOptions {
    const { threads, transferMemory } = this.#settings;
    return {
      // What the operator did not name stays unnamed, so that the receiver may narrow it and adaptive mode may choose.
      ...this.#parts.named,
      input: formatAddress(this.#ends.pattern.address(name)),
      output: formatAddress(this.#ends.connect),
      name,
      compressThreads: threads,
      memoryLimit: transferMemory,
      tlsAuthz,
      // What the listening side alone decides.
      tlsVerifyPeer: true,
    };
  }
}

/** @throws ERR_MEMORY_LIMIT when what --reconnect keeps leaves a transfer nothing of its share */
function checkKept(kept: number, { transferMemory, threads }: ServeSettings): void {
  const share = transferMemory - sharedBytes(threads);
  if (kept < share) return;
  throw new RamferryError(
    'ERR_MEMORY_LIMIT',
    `--reconnect keeps ${formatSize(kept)} for each outgoing guest, whose share of the memory limit is ${formatSize(share)}`,
    { hint: 'use a larger --memory-limit or a smaller --max-transfers' },
  );
}
