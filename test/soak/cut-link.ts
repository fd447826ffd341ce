// The link of a soak trial: relays bytes between two sockets in both directions, counts them, and stops at a given byte.
// At that byte it holds both directions while the caller acts (kills a process, cuts the link). Then it continues if it can.

import type { Socket } from 'node:net';

export type Direction = 'forward' | 'backward';

/** The point at which the link stops: after a number of bytes of one direction, or at the end of that direction. */
export interface StopPoint {
  readonly direction: Direction;
  readonly bytes: number | 'end';
}

export type Cut = 'reset' | 'close' | 'half-close' | 'stall';

/** Time from a stall to the reset of the link. Longer than the time-outs that the trials set. */
const STALL_MS = 5_000;

export class CutLink {
  readonly counts = { forward: 0, backward: 0 };
  readonly #stop: StopPoint | undefined;
  readonly #act: () => Promise<void> | void;
  #acted = false;
  #sender: Socket | undefined;
  #receiver: Socket | undefined;

  /** @param act called once at the stop point; a link without a stop point only counts */
  constructor(stop?: StopPoint, act: () => Promise<void> | void = () => undefined) {
    this.#stop = stop;
    this.#act = act;
  }

  /** Whether the stop point was reached. */
  get acted(): boolean {
    return this.#acted;
  }

  join(sender: Socket, receiver: Socket): void {
    this.#sender = sender;
    this.#receiver = receiver;
    this.#carry(sender, receiver, 'forward');
    this.#carry(receiver, sender, 'backward');
  }

  /** Joins two sockets in one direction only. */
  joinOneWay(sender: Socket, receiver: Socket): void {
    this.#sender = sender;
    this.#receiver = receiver;
    this.#carry(sender, receiver, 'forward');
  }

  async cut(how: Cut): Promise<void> {
    if (how === 'stall') {
      this.#sender?.pause();
      this.#receiver?.pause();
      await new Promise((resolve) => setTimeout(resolve, STALL_MS));
    }
    for (const socket of [this.#sender, this.#receiver]) {
      if (how === 'half-close') socket?.end();
      else if (how === 'close') socket?.destroy();
      else reset(socket);
    }
  }

  #carry(from: Socket, to: Socket, direction: Direction): void {
    from.on('error', () => to.destroy());
    from.on('close', () => to.end());
    const pump = async (): Promise<void> => {
      try {
        for await (const bytes of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          await this.#pass(bytes, to, direction);
        }
        await this.#ended(direction);
        to.end();
      } catch {
        to.destroy();
      }
    };
    void pump();
  }

  async #pass(bytes: Buffer, to: Socket, direction: Direction): Promise<void> {
    const stop = this.#stop;
    const left =
      stop?.direction === direction && stop.bytes !== 'end' && !this.#acted
        ? stop.bytes - this.counts[direction]
        : Infinity;
    if (bytes.length < left) return this.#write(bytes, to, direction);
    await this.#write(bytes.subarray(0, left), to, direction);
    await this.#reached();
    await this.#write(bytes.subarray(left), to, direction);
  }

  async #ended(direction: Direction): Promise<void> {
    if (this.#stop?.direction === direction && this.#stop.bytes === 'end') await this.#reached();
  }

  async #reached(): Promise<void> {
    if (this.#acted) return;
    this.#acted = true;
    await this.#act();
  }

  #write(bytes: Uint8Array, to: Socket, direction: Direction): Promise<void> {
    this.counts[direction] += bytes.length;
    return new Promise((resolve, reject) => {
      if (bytes.length === 0) resolve();
      else to.write(bytes, (error) => (error == null ? resolve() : reject(error)));
    });
  }
}

/** Resets a connection. Only tcp has a reset. A unix socket is closed with unread bytes, which its peer sees as a reset. */
function reset(socket: Socket | undefined): void {
  try {
    socket?.resetAndDestroy();
  } catch {
    socket?.destroy();
  }
}
