// `Server`: one warm process for many guests, in both directions. Takes no transfer after drain() and promises that those that run
// end by themselves, or with a typed outcome after abort(). A transfer that fails hurts no other.

import type net from 'node:net';

import { RamferryError } from '../errors.js';
import { ThreadHost } from '../pool/thread-host.js';
import { packageVersion } from '../os/version.js';
import type { CostMemory } from '../transfer/adaptive/history/history.js';
import { sharedBytes } from '../transfer/plan/memory.js';
import { warmUpReceiving, warmUpSending } from '../transfer/prestart/warm-up.js';
import type { Progress } from '../transfer/statistics/summary.js';
import { type Claims, type Direction, OwnClaims } from './claims.js';
import { IncomingGuests } from './incoming.js';
import { socketsOf } from './guest-sockets.js';
import { resolveServeOptions, type ServeOptions, type ServeSettings } from './options.js';
import { OutgoingGuests } from './outgoing.js';
import { namedOptions, type ServerHooks, type ServerParts } from './parts.js';
import { Lease } from './lease.js';
import { MemoryStock } from './memory-stock.js';
import { closedBecause, Refusals } from '../link/listen/strangers.js';
import type { PeerLink } from '../link/peer-link.js';
import type { Ended, Outcomes } from './outcomes.js';
import { Register, type Served } from './register.js';

/** What a server is given besides its options. */
export interface Given {
  /** A socket to listen on that the process has inherited (systemd socket activation). */
  readonly listen?: number | undefined;
  /** Where outgoing transfers keep what they have measured for those that follow; absent = nothing is remembered. */
  readonly memory?: CostMemory | undefined;
  /** The claims of several processes; the server then opens no address, and is given its connections. Default: claims of its own. */
  readonly claims?: Claims | undefined;
  /** Where later connections of transfers go that this process does not carry. Default: they are refused. */
  readonly elsewhere?: ServerParts['elsewhere'];
}

/** What `ramferry serve` runs: one process or several. */
export interface GuestServer extends Pick<
  Server,
  'settings' | 'open' | 'close' | 'running' | 'drain' | 'abort'
> {
  status(): ServerStatus | Promise<ServerStatus>;
}

/** What a server does at this moment. */
export interface ServerStatus {
  readonly state: 'serving' | 'draining';
  readonly version: string;
  readonly pid: number;
  /** The processes that carry the transfers, where they are several; 0 stands for one that is being started again. */
  readonly shards?: readonly number[];
  /** Milliseconds since the start. */
  readonly uptime: number;
  readonly threads: number;
  readonly memoryLimit: number;
  /** Bytes of slots and page stores that transfers use now. */
  readonly memoryLent: number;
  /** Bytes that wait, overwritten, for the next transfers. */
  readonly memoryIdle: number;
  readonly maxTransfers: number;
  /** Outgoing guests that have a socket. */
  readonly sockets: readonly string[];
  readonly transfers: readonly TransferStatusNow[];
  readonly completed: number;
  readonly failed: number;
  /** Connections that were no transfer. */
  readonly refused: number;
  readonly recent: readonly Ended[];
}

/** A transfer that waits or runs. */
export interface TransferStatusNow {
  readonly id: number;
  readonly name: string;
  readonly direction: Served['direction'];
  readonly peer: string;
  readonly state: 'waiting' | 'running';
  /** Transfers that come before it. */
  readonly ahead: number;
  /** Milliseconds in this state. */
  readonly elapsed: number;
  readonly guestBytes: number;
  readonly linkBytes: number;
  /** Average bytes per second. */
  readonly guestRate: number;
}

/** A transfer that waits or runs, in full. */
export interface RunningTransfer extends Pick<Served, 'id' | 'name' | 'direction'> {
  readonly progress: Progress;
}

export class Server {
  readonly settings: ServeSettings;
  readonly #register = new Register();
  readonly #refusals: Refusals;
  readonly #host: ThreadHost;
  readonly #stock: MemoryStock;
  readonly #incoming: IncomingGuests | undefined;
  readonly #outgoing: OutgoingGuests | undefined;
  readonly #started = performance.now();
  #draining = false;
  #warmingUp: Promise<void> = Promise.resolve();

  private constructor(options: ServeOptions, hooks: ServerHooks, { memory, claims, elsewhere }: Given) {
    this.settings = resolveServeOptions(options);
    const { threads, memoryLimit } = this.settings;
    this.#stock = new MemoryStock(memoryLimit - sharedBytes(threads));
    this.#refusals = new Refusals(hooks.onWarning, 'refused');
    const parts: ServerParts = {
      ...{ hooks, register: this.#register, refusals: this.#refusals },
      named: namedOptions(options),
      ...{ memory, claims: claims ?? new OwnClaims(), elsewhere },
      lend: () => new Lease(this.#host, this.#stock),
      ended: (ended, outcome) => hooks.onEnded(ended, outcome),
    };
    const { incoming, outgoing } = this.settings;
    this.#incoming = incoming && new IncomingGuests(this.settings, incoming, parts);
    this.#outgoing = outgoing && new OutgoingGuests(this.settings, outgoing, parts);
    this.#host = new ThreadHost(threads);
  }

  /**
   * Listens on all addresses.
   * @throws ERR_OPTION_INVALID, ERR_MEMORY_LIMIT, ERR_CODEC_UNAVAILABLE, ERR_LINK_ADDRESS, ERR_LINK_LISTEN, ERR_TLS_CREDENTIALS
   */
  static async start(options: ServeOptions, hooks: ServerHooks, given: Given = {}): Promise<Server> {
    const server = new Server(options, hooks, given);
    try {
      server.#warmingUp = server.#warmUp();
      if (given.claims !== undefined) return server;
      await server.#incoming?.open(given.listen);
      for (const name of server.settings.guest) await server.#outgoing?.sockets.open(name);
    } catch (thrown) {
      await server.drain();
      throw thrown;
    }
    return server;
  }

  /** Lets V8 compile the hot paths before the first guest comes, which ends it. Its errors are the transfers' to report. */
  async #warmUp(): Promise<void> {
    const { threads, memoryLimit, zstdBinding = '', codec, incoming, outgoing } = this.settings;
    const plan = { threads, memoryLimit, zstdBinding };
    const isCancelled = (): boolean => this.#draining || this.#register.running.length > 0;
    for (const warmUp of [outgoing && warmUpSending({ ...plan, codec }), incoming && warmUpReceiving(plan)]) {
      // Memory of these sizes serves no transfer.
      const lease = new Lease(this.#host, new MemoryStock(0));
      await warmUp?.(lease.take(), isCancelled).catch(() => undefined);
      await lease.close();
    }
  }

  /** Makes the socket of an outgoing guest. @throws ERR_OPTION_INVALID without outgoing guests; ERR_LINK_LISTEN */
  async open(name: string): Promise<void> {
    await socketsOf(this.#outgoing?.sockets, this.#draining).open(name);
  }

  /** Removes the socket of an outgoing guest. @throws ERR_OPTION_INVALID where there is none */
  close(name: string): void {
    socketsOf(this.#outgoing?.sockets, this.#draining).close(name);
  }

  /** Takes a connection whose reading has not begun. @param name of the outgoing guest */
  take(direction: Direction, name: string | undefined, socket: net.Socket): void {
    if (direction === 'incoming') this.#incoming?.take(socket);
    else this.#outgoing?.take(name!, socket);
  }

  /** Whether an incoming transfer waits for a later connection that begins so. */
  expects(first: Uint8Array): boolean {
    return this.#incoming?.later.has(first) === true;
  }

  /** Takes a later connection of a transfer, through another process of this server. @param first its first bytes, which were read */
  takeLater(first: Uint8Array, link: PeerLink): void {
    if (this.#incoming?.later.take(first, link) !== true) link.fail(closedBecause('its transfer has ended'));
  }

  /** Changes what all outgoing guests together may take of the link, where it is limited. @param bytesPerSecond more than 0 */
  setBandwidth(bytesPerSecond: number): void {
    this.#outgoing?.setBandwidth(bytesPerSecond);
  }

  status(): ServerStatus {
    const { threads, memoryLimit, maxTransfers } = this.settings;
    return {
      state: this.#draining ? 'draining' : 'serving',
      version: packageVersion(),
      pid: process.pid,
      uptime: Math.round(performance.now() - this.#started),
      ...{ threads, memoryLimit, maxTransfers },
      memoryLent: this.#stock.lent,
      memoryIdle: this.#stock.idle,
      sockets: this.#outgoing?.sockets.names ?? [],
      transfers: this.#register.running.map(now),
      refused: this.#refusals.count,
      ...outcomesOf(this.#register.outcomes),
    };
  }

  /** The transfers that wait or run, with their progress. */
  running(): RunningTransfer[] {
    return this.#register.running.map(({ id, name, direction, statistics }) => ({
      ...{ id, name, direction },
      progress: statistics.progress(),
    }));
  }

  /**
   * Takes no more transfers; those in line are refused. Resolves when the running ones and the threads have ended, and each sender that could
   * not hear its result has asked for it, or its time is over.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#incoming?.drain();
    this.#outgoing?.sockets.closeAll();
    for (const { ahead, controller } of this.#register.running) {
      if (ahead > 0) controller.abort(new RamferryError('ERR_TERMINATED', 'the server is ending'));
    }
    await this.#register.empty();
    this.#incoming?.close();
    await this.#warmingUp;
    await this.#host.close();
  }

  /** Ends the running transfers with this error. drain() resolves soon after. */
  abort(error: RamferryError): void {
    this.#register.abort(error);
  }
}

/** The part of the status that is about the past. */
export function outcomesOf({
  completed,
  failed,
  recent,
}: Outcomes): Pick<ServerStatus, 'completed' | 'failed' | 'recent'> {
  return { completed, failed, recent };
}

function now({ id, name, direction, peer, ahead, since, statistics }: Served): TransferStatusNow {
  const { elapsed, guestBytes, linkBytes, guestRate } = statistics.progress();
  const waiting = ahead > 0;
  return {
    ...{ id, name, direction, peer, state: waiting ? 'waiting' : 'running', ahead },
    elapsed: Math.round(waiting ? performance.now() - since : elapsed),
    ...{ guestBytes, linkBytes, guestRate: Math.round(guestRate) },
  };
}
