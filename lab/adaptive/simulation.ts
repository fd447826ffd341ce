// A sender, a link, a receiver and a guest in simulated time, around the real controller. The sender's processor codes
// one chunk at a time into a socket buffer, which the link drains. The receiver's processor restores a few chunks at a
// time and reports its waiting time. Deterministic: noise comes from a seed.

import { type Candidate, candidates } from '../../src/transfer/adaptive/candidates.js';
import { Controller } from '../../src/transfer/adaptive/controller.js';
import type { FirstGuess } from '../../src/transfer/adaptive/prior.js';
import type { Switch } from '../../src/transfer/adaptive/switch.js';
import type { Policy } from '../../src/transfer/adaptive/policy.js';
import { Random } from '../../src/image/random.js';

export const CHUNK = 1024 * 1024;
const BUFFER = 192 * 1024;
/** Milliseconds of the main thread per chunk, and per byte on the link. */
const PER_CHUNK = 0.06;
const PER_BYTE = 3e-7;
/** Milliseconds per chunk for reading, zero-page detection and checksums. */
const CHUNK_OVERHEAD_MS = 0.12;
/** Chunks that the receiver accepts before it has restored the first of them. */
const RECEIVER_SLOTS = 3;

export interface World {
  /** Rate of the link in bytes per second. */
  link: number;
  /** Share of the guest's bytes that are neither zero nor duplicates. */
  plain: number;
  /** Encoded bytes at zstd 1 per byte of the share `plain`. */
  size: number;
  /** Milliseconds of zstd 1 for a chunk that consists only of such bytes. */
  time: number;
  /** Variation from one chunk to the next: 0.3 = up to 30 %. */
  noise: number;
  /** Deviation of this guest's levels from the expected ones: at 0.2, slow levels are slower and small ones smaller. */
  bend: number;
  /** Milliseconds that the input's reader needs for a chunk; 0 = at once. */
  reader: number;
  /** At the start, work takes so many times as long, because code is not compiled and memory not mapped; falls with e^(-t/ms). */
  cold: { factor: number; ms: number };
  /** Milliseconds of the receiver: per chunk of any coding, per MiB from the link, per chunk of coded bytes only. */
  receiver: { chunk: number; wire: number; decode: number };
}

export const WORLD: World = {
  link: 125e6,
  plain: 0.9,
  size: 0.16,
  time: 1.3,
  noise: 0.2,
  bend: 0,
  reader: 0,
  cold: { factor: 1, ms: 100 },
  receiver: { chunk: 0, wire: 0, decode: 0 },
};

export interface SimulationOptions {
  readonly maxLevel?: number;
  readonly none?: boolean;
  readonly first?: FirstGuess;
  readonly longestChunk?: number;
  readonly policy?: Policy;
}

export class Simulation {
  readonly list: readonly Candidate[];
  readonly controller: Controller;
  readonly switches: Switch[] = [];
  readonly #random = new Random(7);
  /** Simulated time in milliseconds. */
  now = 0;
  guest = 0;
  #encoded = 0;
  /** Time at which the link has taken the last chunk, and that chunk's bytes. */
  #linkFree = 0;
  #lastWire = 0;
  /** Times at which the receiver will have restored the last chunks. */
  #restored: number[] = [];
  /** Spans in which the receiver waits for the link. */
  #waits: { from: number; to: number }[] = [];
  #cpu = 0;
  #cpuAtEvaluation = 0;
  trialCpu = 0;

  constructor(
    public world: World = { ...WORLD },
    options: SimulationOptions = {},
  ) {
    this.list = candidates({
      codecs: ['zstd'],
      none: options.none ?? true,
      maxLevel: options.maxLevel ?? 19,
    });
    const { longestChunk = 100 } = options;
    const machine = { threads: 1, cpus: 1, chunkSize: CHUNK, longestChunk };
    this.controller = new Controller(this.list, machine, 0, options.first, options.policy);
  }

  get coding(): string {
    const { codec, level } = this.list[this.controller.current]!;
    return codec === 'none' ? codec : `${codec} ${level}`;
  }

  /** Runs the simulation. @returns bytes of guest memory per second in this span */
  run(milliseconds: number): number {
    const from = this.now;
    const before = this.guest;
    while (this.now < from + milliseconds) this.#chunk();
    return ((this.guest - before) / (this.now - from)) * 1e3;
  }

  /** Throughput of a fixed candidate, in bytes of guest memory per second. */
  fixed(candidate: number): number {
    const { link, reader } = this.world;
    const coded = this.#code(candidate, 1);
    const { micros, wire } = coded;
    const cpu = (micros / 1e3 + PER_CHUNK + PER_BYTE * wire) / 1e3;
    return CHUNK / Math.max(cpu, wire / link, reader / 1e3, this.#restoring(coded) / 1e3);
  }

  #restoring({ wire, codec, plain }: { wire: number; codec: number; plain: number }): number {
    const { receiver } = this.world;
    return (
      receiver.chunk + (receiver.wire * wire) / CHUNK + (codec > 0 ? (receiver.decode * plain) / CHUNK : 0)
    );
  }

  best(): number {
    return Math.max(...this.list.map((_, candidate) => this.fixed(candidate)));
  }

  /** How many times as long work takes now. */
  get #slowness(): number {
    const { factor, ms } = this.world.cold;
    return 1 + (factor - 1) * Math.exp(-this.now / ms);
  }

  #code(
    candidate: number,
    noiseFactor: number,
    slowness = 1,
  ): { codec: number; micros: number; plain: number; wire: number } {
    const { plain, size, time, bend } = this.world;
    const each = this.list[candidate]!;
    const codec = each.codec === 'none' ? 0 : plain * time * each.time ** (1 + bend) * noiseFactor * 1e3;
    const wire =
      each.codec === 'none' ? plain : plain * Math.min(1, size * each.size ** (1 + bend) * noiseFactor);
    return {
      codec: codec * slowness,
      micros: (codec + CHUNK_OVERHEAD_MS * 1e3) * slowness,
      plain: plain * CHUNK,
      wire: Math.round(wire * CHUNK) + 100,
    };
  }

  #chunk(): void {
    const { controller, world } = this;
    const candidate = controller.current;
    const trial = controller.nextTrial();
    const measured = trial !== undefined || controller.nextMeasured();
    const noiseFactor = 1 + world.noise * (2 * (this.#random.below(1_000_000) / 1e6) - 1);
    const slowness = this.#slowness;
    const coded = this.#code(candidate, noiseFactor, slowness);
    const tried = trial === undefined ? undefined : this.#code(trial, noiseFactor, slowness);
    const trialMicros = tried?.codec ?? 0;
    this.trialCpu += trialMicros / 1e3;
    const main = (PER_CHUNK + PER_BYTE * coded.wire) * slowness;
    const work = (coded.micros + trialMicros) / 1e3 + main;
    this.#cpu += work;
    // The processor codes the next chunk while this one waits for the link.
    this.#encoded = Math.max(this.#encoded + Math.max(work, world.reader), this.now - work);
    const began = Math.max(this.now, this.#encoded);
    const { ended, before, queued } = this.#carry(coded, began);
    this.now = ended;
    this.guest += CHUNK;
    const chunk = {
      candidate,
      decoded: CHUNK,
      plain: coded.plain,
      encoded: coded.wire,
      wall: coded.micros + trialMicros,
      codecMicros: measured ? coded.codec : 0,
      jobMicros: measured ? coded.micros : 0,
    };
    controller.recordChunk(
      chunk,
      tried && {
        candidate: trial!,
        against: candidate,
        micros: tried.codec,
        againstMicros: coded.codec,
        length: tried.wire,
        againstLength: coded.wire,
      },
    );
    if (world.receiver.chunk > 0)
      controller.recordReport({ clock: ended * 1e3, waited: this.#waited(ended) * 1e3 });
    controller.recordWrite({ bytes: coded.wire, began, ended, before, queued });
    if (!controller.isDue(ended)) return;
    const change = controller.evaluate((this.#cpu - this.#cpuAtEvaluation) * 1e3, ended);
    this.#cpuAtEvaluation = this.#cpu;
    if (change !== undefined) this.switches.push(change);
  }

  /** One write: its end, and the bytes in the kernel's buffer at its start and its end. */
  #carry(
    coded: { codec: number; plain: number; wire: number },
    began: number,
  ): { ended: number; before: number; queued: number } {
    const rate = this.world.link / 1e3;
    const { wire } = coded;
    const free = this.#linkFree;
    const room = this.#restored.at(-RECEIVER_SLOTS) ?? 0;
    const starts = Math.max(began, free, room);
    const arrives = starts + wire / rate;
    const fits = wire > BUFFER ? arrives - BUFFER / rate : free - (BUFFER - wire) / rate;
    const ended = Math.max(began, fits);
    const left = (at: number): number => Math.max(0, Math.min(this.#lastWire, (free - at) * rate));
    const before = left(began);
    const queued = left(ended) + Math.max(0, Math.min(wire, (arrives - ended) * rate));
    const idle = this.#restored.at(-1) ?? 0;
    if (arrives > idle) this.#waits.push({ from: idle, to: arrives });
    this.#restored = [
      ...this.#restored.slice(1 - RECEIVER_SLOTS),
      Math.max(arrives, idle) + this.#restoring(coded),
    ];
    this.#linkFree = arrives;
    this.#lastWire = wire;
    return { ended, before, queued };
  }

  /** Milliseconds that the receiver has waited up to `until`. */
  #waited(until: number): number {
    return this.#waits.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, until) - from), 0);
  }
}
