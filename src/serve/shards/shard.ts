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
import { Questions } from './questions.js';

/** Milliseconds until a shard that died is started again: the first time, and at most. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** Milliseconds after which a connection that was handed over has claimed a guest, or never does. */
const UNHEARD_MS = 6000;
/** Milliseconds that a shard may take to answer. */
const ANSWER_MS = 2000;

export interface ShardHooks {
  /** What concerns all shards: claims, ends and warnings. */
  readonly onMessage: (message: FromShard) => void;
  /** Called when the process has died without being asked to. @param how signal or exit status */
  readonly onDeath: (how: string) => void;
}

export class Shard {
  readonly #start: Extract<ToShard, { kind: 'start' }>;
  readonly #hooks: ShardHooks;
  readonly #statuses = new Questions<ServerStatus | undefined>();
  readonly #sought = new Questions<boolean>();
  #child: ChildProcess | undefined;
  readonly #started: Deferred<void> = deferred();
  #gone: Deferred<void> = deferred();
  #waiting: (() => void)[] | undefined = [];
  #running: readonly RunningTransfer[] = [];
  /** Connections that are on their way to the process. Node forgets those that it has not sent when the process dies. */
  readonly #handing = new Set<net.Socket>();
  /** When connections were handed over that have claimed no guest yet, oldest first. */
  #unheard: number[] = [];
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
    const limit = { milliseconds: ANSWER_MS, answer: undefined };
    return this.#statuses.ask((request) => this.#send({ kind: 'status', request }), limit);
  }

  /** Whether one of its transfers waits for a later connection that begins so. False where the process does not answer. */
  seek(first: Uint8Array): Promise<boolean> {
    if (this.#waiting !== undefined || this.#child === undefined) return Promise.resolve(false);
    const limit = { milliseconds: ANSWER_MS, answer: false };
    return this.#sought.ask((request) => this.#send({ kind: 'seek', request, first }), limit);
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
        return this.#statuses.answer(message.request, message.status);
      case 'sought':
        return this.#sought.answer(message.request, message.has);
      case 'claim':
        this.#unheard.shift();
        break;
      case 'ended':
        this.#pause = FIRST_PAUSE_MS;
        break;
    }
    this.#hooks.onMessage(message);
  }

  #dead(how: string): void {
    this.#child = undefined;
    for (const socket of this.#handing) this.#handed(socket);
    this.#statuses.answerAll(undefined);
    this.#sought.answerAll(false);
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
