// `ShardedServer`: a server whose guests several processes carry, so that a crash of native code ends those of one process only. It opens
// the addresses, hands each connection to the shard that carries least, and knows which guests are on their way.

import type net from 'node:net';

import { fromErrorData, RamferryError } from '../../errors.js';
import type { Acceptor } from '../../link/listen/acceptor.js';
import { packageVersion } from '../../os/version.js';
import { type Direction, OwnClaims } from '../claims.js';
import { GuestSockets, socketsOf } from '../guest-sockets.js';
import { listenForSenders } from '../incoming.js';
import { resolveServeOptions, type ServeOptions, type ServeSettings } from '../options.js';
import { type Ended, endOf, Outcomes } from '../outcomes.js';
import type { ServerHooks } from '../parts.js';
import { type GuestServer, outcomesOf, type RunningTransfer, type ServerStatus } from '../server.js';
import type { FromShard } from './messages.js';
import { reroute } from './rerouting.js';
import { Shard } from './shard.js';

/** What a server of several processes is given besides its options. */
export interface GivenToShards {
  /** A socket to listen on that the process has inherited. */
  readonly listen?: number | undefined;
  /** Whether outgoing transfers begin with what earlier ones of their shard have measured. */
  readonly history: boolean;
}

/** A guest that is on its way. */
interface Carried {
  readonly shard: Shard;
  readonly direction: Direction;
  readonly name: string;
}

export class ShardedServer implements GuestServer {
  readonly settings: ServeSettings;
  readonly #hooks: ServerHooks;
  readonly #shards: readonly Shard[];
  readonly #sockets: GuestSockets | undefined;
  readonly #claims = new OwnClaims();
  readonly #carried = new Map<number, Carried>();
  readonly #outcomes = new Outcomes();
  readonly #started = performance.now();
  #acceptor: Acceptor | undefined;
  /** The shard that the last connection went to. */
  #last = 0;
  #draining = false;

  private constructor(options: ServeOptions, hooks: ServerHooks, history: boolean) {
    this.settings = resolveServeOptions(options);
    this.#hooks = hooks;
    const { outgoing, shards } = this.settings;
    const part = partOf(options, this.settings);
    // At the door, and not in each shard.
    resolveServeOptions(part);
    this.#sockets =
      outgoing &&
      new GuestSockets(this.settings, outgoing, hooks, (name, socket) =>
        this.#hand(socket, 'outgoing', name),
      );
    this.#shards = Array.from({ length: shards }, () => this.#newShard(part, history));
  }

  /**
   * Starts the shards, and then listens on all addresses.
   * @throws what {@link Server.start} throws
   */
  static async start(
    options: ServeOptions,
    hooks: ServerHooks,
    { listen, history }: GivenToShards,
  ): Promise<ShardedServer> {
    const server = new ShardedServer(options, hooks, history);
    try {
      await Promise.all(server.#shards.map((shard) => shard.started));
      await server.#open(listen);
    } catch (thrown) {
      await server.drain();
      throw thrown;
    }
    return server;
  }

  async open(name: string): Promise<void> {
    await socketsOf(this.#sockets, this.#draining).open(name);
  }

  close(name: string): void {
    socketsOf(this.#sockets, this.#draining).close(name);
  }

  async status(): Promise<ServerStatus> {
    const { threads, memoryLimit, maxTransfers } = this.settings;
    const known = (await Promise.all(this.#shards.map((shard) => shard.status()))).filter(
      (one) => one !== undefined,
    );
    const sum = (count: (status: ServerStatus) => number): number =>
      known.reduce((all, one) => all + count(one), 0);
    return {
      state: this.#draining ? 'draining' : 'serving',
      version: packageVersion(),
      pid: process.pid,
      shards: this.#shards.map(({ pid = 0 }) => pid),
      uptime: Math.round(performance.now() - this.#started),
      ...{ threads, memoryLimit, maxTransfers },
      memoryLent: sum((one) => one.memoryLent),
      memoryIdle: sum((one) => one.memoryIdle),
      sockets: this.#sockets?.names ?? [],
      transfers: known.flatMap((one) => one.transfers).sort((one, other) => one.id - other.id),
      refused: sum((one) => one.refused),
      ...outcomesOf(this.#outcomes),
    };
  }

  running(): RunningTransfer[] {
    return this.#shards.flatMap(({ running }) => running);
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#sockets?.closeAll();
    // The senders of transfers that run may have to connect again.
    await Promise.all(this.#shards.map((shard) => shard.drain()));
    this.#acceptor?.close();
  }

  abort(error: RamferryError): void {
    for (const shard of this.#shards) shard.tell({ kind: 'abort', error: error.toData() });
  }

  async #open(listen: number | undefined): Promise<void> {
    const { incoming, guest } = this.settings;
    const { onWarning, onListening } = this.#hooks;
    if (incoming !== undefined) {
      this.#acceptor = await listenForSenders(this.settings, incoming.listen, {
        ...{ fd: listen, onWarning, onSocket: (socket) => this.#hand(socket, 'incoming') },
      });
      onListening(this.#acceptor.address);
    }
    for (const name of guest) await this.#sockets?.open(name);
  }

  #newShard(options: ServeOptions, history: boolean): Shard {
    const shard: Shard = new Shard(options, history, {
      onMessage: (message) => this.#hear(shard, message),
      onDeath: (how) => this.#mourn(shard, how),
    });
    return shard;
  }

  /** To the shard with the fewest transfers and connections that may become one. Equal shards take turns. */
  #hand(socket: net.Socket, direction: Direction, name?: string): void {
    // While the server ends, a shard without transfers is gone, and is not started again.
    const able = this.#draining ? this.#shards.filter(({ pid }) => pid !== undefined) : this.#shards;
    if (able.length === 0) {
      socket.destroy();
      return;
    }
    const loads = new Map(able.map((shard) => [shard, shard.unheard]));
    for (const { shard } of this.#carried.values()) loads.set(shard, (loads.get(shard) ?? 0) + 1);
    const least = Math.min(...loads.values());
    do this.#last = (this.#last + 1) % this.#shards.length;
    while (loads.get(this.#shards[this.#last]!) !== least);
    this.#shards[this.#last]!.give(socket, direction, name);
  }

  #hear(shard: Shard, message: FromShard): void {
    if (message.kind === 'claim') void this.#claim(shard, message);
    if (message.kind === 'elsewhere') {
      const others = this.#shards.filter((other) => other !== shard);
      void reroute(shard, others, message);
    }
    if (message.kind === 'release') this.#release(message.id);
    if (message.kind === 'warning') this.#hooks.onWarning(message.text);
    if (message.kind === 'ended') {
      const { ended, outcome } = message;
      this.#ended(ended, 'error' in outcome ? fromErrorData(outcome.error) : outcome.summary);
    }
  }

  async #claim(
    shard: Shard,
    { request, direction, name }: Extract<FromShard, { kind: 'claim' }>,
  ): Promise<void> {
    const id = await this.#claims.take(direction, name);
    if (id !== undefined) this.#carried.set(id, { shard, direction, name });
    shard.tell({ kind: 'claimed', request, id });
    if (direction === 'outgoing') this.#shareBandwidth();
  }

  #release(id: number): void {
    this.#claims.release(id);
    const direction = this.#carried.get(id)?.direction;
    this.#carried.delete(id);
    if (direction === 'outgoing') this.#shareBandwidth();
  }

  /** Each shard gets the part of the rate that its outgoing guests are of all. */
  #shareBandwidth(): void {
    const { maxBandwidth } = this.settings;
    if (maxBandwidth === 0) return;
    const leaving = [...this.#carried.values()].filter(({ direction }) => direction === 'outgoing');
    for (const shard of this.#shards) {
      const own = leaving.filter((carried) => carried.shard === shard).length;
      if (own > 0) shard.tell({ kind: 'bandwidth', bytesPerSecond: (maxBandwidth * own) / leaving.length });
    }
  }

  #ended(ended: Ended, outcome: Parameters<ServerHooks['onEnded']>[1]): void {
    this.#outcomes.add(ended);
    this.#hooks.onEnded(ended, outcome);
  }

  #mourn(shard: Shard, how: string): void {
    const lost = [...this.#carried].filter(([, carried]) => carried.shard === shard);
    if (lost.length > 0 || !this.#draining)
      this.#hooks.onWarning(`a shard has died (${how}); it carried ${lost.length} transfers`);
    const progress = new Map(shard.running.map((transfer) => [transfer.id, transfer.progress]));
    for (const [id, { name, direction }] of lost) {
      const { guestBytes = 0, linkBytes = 0, elapsed = 0 } = progress.get(id) ?? {};
      const error = new RamferryError(
        'ERR_WORKER_DIED',
        `the shard that carried this guest has died (${how})`,
        {
          hint: 'if it happens again, report it with the input and the versions of `ramferry features`',
        },
      );
      this.#release(id);
      const transfer = { id, name, direction, guestBytes, linkBytes, duration: Math.round(elapsed) };
      this.#ended(endOf(transfer, error), error);
    }
  }
}

/** The options of one shard: its part of what is for all. */
function partOf(
  options: ServeOptions,
  { shards, threads, memoryLimit, maxTransfers }: ServeSettings,
): ServeOptions {
  return {
    ...options,
    ...{ shards: 1, guest: [] },
    threads: Math.floor(threads / shards),
    memoryLimit: Math.floor(memoryLimit / shards),
    maxTransfers: Math.ceil(maxTransfers / shards),
  };
}
