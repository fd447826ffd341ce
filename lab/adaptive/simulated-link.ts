// A socket, a link and a receiver in simulated time. The socket's buffer takes bytes at once, the link drains it, and the receiver
// restores a few chunks at a time and counts its waiting. Deterministic.

import { restoringMs, type Coded, type World } from './world.js';

/** Bytes of the socket's buffer. */
const BUFFER = 192 * 1024;
/** Chunks that the receiver accepts before it has restored the first of them. */
const RECEIVER_SLOTS = 3;

/** One write: its end, and the bytes in the kernel's buffer at its start and its end. */
export interface SimulatedWrite {
  readonly ended: number;
  readonly before: number;
  readonly queued: number;
}

export class SimulatedLink {
  readonly #world: () => World;
  /** Time at which the link has taken the last chunk, and that chunk's bytes. */
  #free = 0;
  #lastWire = 0;
  /** Bytes that the link takes at once. */
  #credit: number;
  /** Times at which the receiver will have restored the last chunks. */
  #restored: number[] = [];
  /** Spans in which the receiver waits for the link. */
  readonly #waits: { from: number; to: number }[] = [];

  constructor(world: () => World) {
    this.#world = world;
    this.#credit = world().burst;
  }

  /** When everything that was written will have been restored. */
  get done(): number {
    return Math.max(this.#free, this.#restored.at(-1) ?? 0);
  }

  /** Writes a chunk's bytes from `began` on. */
  carry(coded: Coded, began: number): SimulatedWrite {
    const world = this.#world();
    const rate = world.link / 1e3;
    const { wire } = coded;
    const free = this.#free;
    const room = this.#restored.at(-RECEIVER_SLOTS) ?? 0;
    const starts = Math.max(began, free, room);
    this.#credit = Math.min(world.burst, this.#credit + (starts - free) * rate);
    const atOnce = Math.min(wire, this.#credit);
    this.#credit -= atOnce;
    const arrives = starts + (wire - atOnce) / rate;
    const fits = wire - atOnce > BUFFER ? arrives - BUFFER / rate : free - (BUFFER - wire) / rate;
    const ended = Math.max(began, fits);
    const left = (at: number): number => Math.max(0, Math.min(this.#lastWire, (free - at) * rate));
    const before = left(began);
    const queued = left(ended) + Math.max(0, Math.min(wire, (arrives - ended) * rate));
    const idle = this.#restored.at(-1) ?? 0;
    if (arrives > idle) this.#waits.push({ from: idle, to: arrives });
    const restored = Math.max(arrives, idle) + restoringMs(world, coded);
    this.#restored = [...this.#restored.slice(1 - RECEIVER_SLOTS), restored];
    this.#free = arrives;
    this.#lastWire = wire - atOnce;
    return { ended, before, queued };
  }

  /** Milliseconds that the receiver has waited up to `until`. */
  waited(until: number): number {
    return this.#waits.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, until) - from), 0);
  }
}
