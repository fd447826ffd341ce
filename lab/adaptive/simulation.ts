// A sender, a link, a receiver and a guest in simulated time, around the real controller. The sender's processor codes one chunk at
// a time into a slot. Coded chunks wait there for the writer, with the level that was right when they were coded. The socket's
// buffer takes them, and the link drains it. Deterministic: noise comes from a seed.

import { type Candidate, candidates, codingName } from '../../src/transfer/adaptive/candidates.js';
import { Controller } from '../../src/transfer/adaptive/controller.js';
import type { FirstGuess } from '../../src/transfer/adaptive/history/prior.js';
import type { Switch } from '../../src/transfer/adaptive/switch.js';
import type { Policy } from '../../src/transfer/adaptive/policy.js';
import { Random } from '../../src/image/random.js';
import { LinkPace } from '../../src/transfer/pace/link-pace.js';
import { SimulatedLink, type SimulatedWrite } from './simulated-link.js';
import { code, type Coded, mainMs, plainAt, slownessAt, steadyRate, WORLD, type World } from './world.js';

export const CHUNK = 1024 * 1024;

export interface SimulationOptions {
  readonly maxLevel?: number;
  readonly none?: boolean;
  readonly first?: FirstGuess;
  readonly longestChunk?: number;
  readonly policy?: Policy;
  readonly chunkSize?: number;
  /** Chunks that are coded or wait for the writer at once; default 4, as in a stream with one thread. */
  readonly slots?: number;
  /** Codes every chunk with this candidate, and does without the controller. */
  readonly fixed?: number;
  /** Of the noise. */
  readonly seed?: number;
}

/** A chunk in a slot. */
interface Chunk {
  readonly candidate: number;
  readonly trial: number | undefined;
  readonly measured: boolean;
  readonly coded: Coded;
  readonly tried: Coded | undefined;
  /** Milliseconds of the processor. */
  readonly work: number;
  /** Milliseconds for which the worker had the chunk. */
  readonly wall: number;
}

/** A chunk that leaves. */
interface Writing {
  readonly chunk: Chunk;
  readonly began: number;
  readonly write: SimulatedWrite;
}

export class Simulation {
  readonly list: readonly Candidate[];
  readonly controller: Controller;
  readonly switches: Switch[] = [];
  readonly #fixed: number | undefined;
  readonly #chunkSize: number;
  readonly #slots: number;
  readonly #random: Random;
  readonly #link: SimulatedLink;
  readonly #pace = new LinkPace(() => this.now);
  /** Simulated time in milliseconds. */
  now = 0;
  /** Bytes of guest memory that were written. */
  guest = 0;
  /** Bytes of guest memory that were read. */
  #read = 0;
  #readUntil = Infinity;
  /** When the reader has the next chunk. */
  #input = 0;
  #coding: { readonly chunk: Chunk; readonly ends: number } | undefined;
  #writing: Writing | undefined;
  readonly #coded: Chunk[] = [];
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
    const { longestChunk = 100, chunkSize = CHUNK, slots = 4 } = options;
    const machine = { threads: 1, cpus: 1, chunkSize, longestChunk };
    this.controller = new Controller(this.list, machine, 0, options.first, options.policy);
    this.#link = new SimulatedLink(() => this.world);
    this.#random = new Random(options.seed ?? 7);
    this.#fixed = options.fixed;
    this.#chunkSize = chunkSize;
    this.#slots = slots;
  }

  get coding(): string {
    return codingName(this.list[this.controller.current]!);
  }

  /** Runs the simulation. @returns bytes of guest memory per second in this span */
  run(milliseconds: number): number {
    const from = this.now;
    const before = this.guest;
    while (this.now < from + milliseconds) this.#step();
    return ((this.guest - before) / (this.now - from)) * 1e3;
  }

  /** Sends a guest of this size, a multiple of the chunk size. @returns milliseconds until the receiver has all of it */
  transfer(bytes: number): number {
    this.#readUntil = bytes;
    while (this.guest < bytes) this.#step();
    return Math.max(this.now, this.#link.done);
  }

  /** Throughput of a fixed candidate, in bytes of guest memory per second. */
  fixed(candidate: number): number {
    return steadyRate(this.world, this.list[candidate]!, this.#chunkSize);
  }

  best(): number {
    return Math.max(...this.list.map((_, candidate) => this.fixed(candidate)));
  }

  /** Lets processor and writer begin what they can, and goes on to the next end of either. */
  #step(): void {
    const used = this.#coded.length + (this.#writing === undefined ? 0 : 1);
    const hasSlot = used < this.#slots && this.#coded.length < this.#pace.chunks;
    const mayCode = this.#coding === undefined && hasSlot && this.#read < this.#readUntil;
    if (mayCode && this.#input <= this.now) this.#beginCoding();
    if (this.#writing === undefined && this.#coded.length > 0) this.#beginWrite(this.#coded.shift()!);
    const ends = Math.min(
      this.#coding?.ends ?? Infinity,
      this.#writing?.write.ended ?? Infinity,
      this.#coding === undefined && mayCode ? this.#input : Infinity,
    );
    this.now = Math.max(this.now, ends);
    if (this.#writing !== undefined && this.#writing.write.ended <= this.now) this.#endWrite(this.#writing);
    if (this.#coding !== undefined && this.#coding.ends <= this.now) {
      this.#cpu += this.#coding.chunk.work;
      this.#coded.push(this.#coding.chunk);
      this.#coding = undefined;
    }
  }

  #beginCoding(): void {
    const { controller, world } = this;
    const probe = this.#fixed ?? controller.nextProbe();
    const candidate = probe ?? controller.current;
    const trial = probe === undefined ? controller.nextTrial() : undefined;
    const noiseFactor = 1 + world.noise * (2 * this.#share() - 1);
    const slowness = slownessAt(world, this.now);
    const plain = plainAt(world, this.#read);
    const traits = { bytes: this.#chunkSize, plain, noiseFactor, slowness };
    const coded = code(world, this.list[candidate]!, traits);
    const tried = trial === undefined ? undefined : code(world, this.list[trial]!, traits);
    const work = (coded.micros + (tried?.codec ?? 0)) / 1e3 + mainMs(coded) * slowness.beside;
    const measured = trial !== undefined || controller.nextMeasured();
    this.trialCpu += (tried?.codec ?? 0) / 1e3;
    this.#read += this.#chunkSize;
    this.#input = this.now + world.reader;
    const stolen = this.#stolen(work);
    const wall = (coded.micros + (tried?.codec ?? 0)) / 1e3 + stolen;
    this.#coding = {
      chunk: { candidate, trial, measured, coded, tried, work, wall },
      ends: this.now + work + stolen,
    };
  }

  /** From 0 to 1. */
  #share(): number {
    return this.#random.below(1_000_000) / 1e6;
  }

  /** Milliseconds for which other programs have the processor during this work. */
  #stolen(work: number): number {
    const { every, ms } = this.world.steal;
    let stolen = 0;
    if (every > 0)
      for (let left = work; left > 0; left -= every)
        if (this.#share() < left / every) stolen += ms * 2 * this.#share();
    return stolen;
  }

  #beginWrite(chunk: Chunk): void {
    this.#writing = { chunk, began: this.now, write: this.#link.carry(chunk.coded, this.now) };
  }

  #endWrite({ chunk, began, write }: Writing): void {
    const { controller, world, now } = this;
    const { wire } = chunk.coded;
    this.#writing = undefined;
    this.guest += this.#chunkSize;
    this.#pace.wrote(wire, write.ended - began);
    if (this.#fixed !== undefined) return;
    this.#recordChunk(chunk);
    if (world.receiver.chunk > 0)
      controller.recordReport({ clock: now * 1e3, waited: this.#link.waited(now) * 1e3 });
    controller.recordWrite({ bytes: wire, began, ...write });
    if (!controller.isDue(now)) return;
    const change = controller.evaluate((this.#cpu - this.#cpuAtEvaluation) * 1e3, now);
    this.#cpuAtEvaluation = this.#cpu;
    if (change !== undefined) this.switches.push(change);
  }

  #recordChunk({ candidate, trial, measured, coded, tried, wall }: Chunk): void {
    const chunk = {
      candidate,
      decoded: this.#chunkSize,
      plain: coded.plain,
      encoded: coded.wire,
      wall: wall * 1e3,
      codecMicros: measured ? coded.codec : 0,
      jobMicros: measured ? coded.micros : 0,
    };
    this.controller.recordChunk(
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
  }
}
