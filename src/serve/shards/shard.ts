// `Shard`: the process of one shard as its parent sees it. A shard that dies is started again, after a pause that doubles while it
// carries nothing to an end. What it is told before it has started waits.

import type { ChildProcess } from 'node:child_process';
import type net from 'node:net';

import { fromErrorData, RamferryError } from '../../errors.js';
import { handOver } from '../../link/handle.js';
import { type Deferred, deferred } from '../../os/deferred.js';
import { SHARD_ENTRY } from '../../os/entries.js';
import { forkModule } from '../../os/process/fork.js';
import type { Direction } from '../claims.js';
import type { ServeOptions } from '../options.js';
import type { RunningTransfer, ServerStatus } from '../server.js';
import type { FromShard, ToShard } from './messages.js';

/** Milliseconds until a shard that died is started again: the first time, and at most. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** Milliseconds after which a connection that was handed over has claimed a guest, or never does. */
const UNHEARD_MS = 6000;
/** Milliseconds that a shard may take to answer. */
const STATUS_MS = 2000;

export interface ShardHooks {
  /** What concerns all shards: claims, ends and warnings. */
  readonly onMessage: (message: FromShard) => void;
  /** Called when the process has died without being asked to. @param how signal or exit status */
  readonly onDeath: (how: string) => void;
}

export class Shard {
  readonly #start: Extract<ToShard, { kind: 'start' }>;
  readonly #hooks: ShardHooks;
  readonly #asked = new Map<number, (status: ServerStatus | undefined) => void>();
  readonly #sought = new Map<number, (has: boolean) => void>();
  #child: ChildProcess | undefined;
  readonly #started: Deferred<void> = deferred();
  #gone: Deferred<void> = deferred();
  #waiting: (() => void)[] | undefined = [];
  #running: readonly RunningTransfer[] = [];
  /** Connections that are on their way to the process. Node forgets those that it has not sent when the process dies. */
  readonly #handing = new Set<net.Socket>();
  /** When connections were handed over that have claimed no guest yet, oldest first. */
  #unheard: number[] = [];
  #request = 0;
  #pause = FIRST_PAUSE_MS;
  #restart: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(options: ServeOptions, history: boolean, hooks: ShardHooks) {
    this.#start = { kind: 'start', options, history };
    this.#hooks = hooks;
    this.#fork();
  }

  /** Resolves when the first process can carry guests. @throws why it cannot */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** The transfers of the last report. */
  get running(): readonly RunningTransfer[] {
    return this.#running;
  }

  /** Connections of the last seconds that may become transfers. */
  get unheard(): number {
    const since = performance.now() - UNHEARD_MS;
    this.#unheard = this.#unheard.filter((at) => at > since);
    return this.#unheard.length;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Hands it a connection whose reading has not begun. */
  give(socket: net.Socket, direction: Direction, name: string | undefined): void {
    this.#unheard.push(performance.now());
    this.hand(socket, { kind: 'connection', direction, name });
  }

  /** Hands it a connection that another process of this server, or its peer, has not read from here. */
  hand(socket: net.Socket, message: ToShard): void {
    const hand = (): void => {
      if (this.#child === undefined) socket.destroy();
      else {
        this.#handing.add(socket);
        handOver(socket, this.#child, message, () => this.#handed(socket));
      }
    };
    if (this.#waiting === undefined) hand();
    else if (this.#ending) socket.destroy();
    else this.#waiting.push(hand);
  }

  tell(message: ToShard): void {
    if (this.#waiting !== undefined) this.#waiting.push(() => this.#send(message));
    else this.#send(message);
  }

  /** Undefined where the process does not answer. */
  status(): Promise<ServerStatus | undefined> {
    if (this.#waiting !== undefined) return Promise.resolve(undefined);
    const request = this.#request++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answered(request, undefined), STATUS_MS);
      this.#asked.set(request, (status) => {
        clearTimeout(timer);
        resolve(status);
      });
      this.#send({ kind: 'status', request });
    });
  }

  /** Whether one of its transfers waits for a later connection that begins so. False where the process does not answer. */
  seek(first: Uint8Array): Promise<boolean> {
    if (this.#waiting !== undefined || this.#child === undefined) return Promise.resolve(false);
    const request = this.#request++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#found(request, false), STATUS_MS);
      this.#sought.set(request, (has) => {
        clearTimeout(timer);
        resolve(has);
      });
      this.#send({ kind: 'seek', request, first });
    });
  }

  /** Lets it end with its transfers. Resolves when the process is gone. Never rejects. */
  async drain(): Promise<void> {
    this.#ending = true;
    clearTimeout(this.#restart);
    if (this.#child === undefined) return;
    this.#send({ kind: 'drain' });
    await this.#gone.promise;
  }

  #handed(socket: net.Socket): void {
    this.#handing.delete(socket);
    socket.destroy();
  }

  #send(message: ToShard): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  #fork(): void {
    // In a session of its own, so that a terminal's signals are the parent's. It ends when the channel closes.
    const child = forkModule(SHARD_ENTRY, {
      execArgv: ['--expose-gc'],
      serialization: 'advanced',
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#gone = deferred();
    child.on('message', (message) => this.#hear(message as FromShard));
    let over = false;
    const die = (how: string): void => {
      if (over) return;
      over = true;
      this.#dead(how);
    };
    child.once('error', (thrown) => die(thrown.message));
    child.once('exit', (status, signal) => die(signal ?? `exit status ${status}`));
    this.#send(this.#start);
  }

  #hear(message: FromShard): void {
    switch (message.kind) {
      case 'started':
        for (const step of this.#waiting?.splice(0) ?? []) step();
        this.#waiting = undefined;
        return this.#started.resolve();
      case 'failed':
        this.#ending = true;
        this.#child?.disconnect();
        return this.#started.reject(fromErrorData(message.error));
      case 'running':
        this.#running = message.transfers;
        return;
      case 'status':
        return this.#answered(message.request, message.status);
      case 'sought':
        return this.#found(message.request, message.has);
      case 'claim':
        this.#unheard.shift();
        break;
      case 'ended':
        this.#pause = FIRST_PAUSE_MS;
        break;
    }
    this.#hooks.onMessage(message);
  }

  #found(request: number, has: boolean): void {
    this.#sought.get(request)?.(has);
    this.#sought.delete(request);
  }

  #answered(request: number, status: ServerStatus | undefined): void {
    this.#asked.get(request)?.(status);
    this.#asked.delete(request);
  }

  #dead(how: string): void {
    this.#child = undefined;
    for (const socket of this.#handing) this.#handed(socket);
    for (const request of this.#asked.keys()) this.#answered(request, undefined);
    for (const request of this.#sought.keys()) this.#found(request, false);
    this.#gone.resolve();
    // Without effect once it has started.
    this.#started.reject(new RamferryError('ERR_WORKER_DIED', `a shard ended before it began (${how})`));
    // Reported also while the server ends: its transfers have no other who says so.
    this.#hooks.onDeath(how);
    this.#running = [];
    this.#unheard = [];
    if (this.#ending) return;
    this.#waiting ??= [];
    this.#restart = setTimeout(() => this.#fork(), this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
  }
}
