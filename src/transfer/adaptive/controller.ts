// Chooses how the next chunk is coded: the candidate with which the transfer goes fastest, by what was measured so far.
// A state machine without clock, slots or I/O: it is told of chunks, writes and processor time, and asked for a choice.

import type { Waiting } from '../../io/waiting-source.js';
import { STORED_TRIES } from '../../slot/encode-job.js';
import { type Candidate, codingName, firstCandidate } from './candidates.js';
import { Corrections } from './corrections.js';
import { type ChunkFigures, Curves, type TrialFigures } from './curves.js';
import { LinkGauge, type LinkInterval } from './link-gauge.js';
import type { WriteFigures } from './write-figures.js';
import { type Machine, MainThread, predictAll, type Prediction } from './model.js';
import { SwitchPolicy } from './switch-policy.js';
import { ReceiverGauge } from './receiver-gauge.js';
import { Trials } from './trials.js';
import { CpuSampler } from './cpu-sampler.js';
import { Interval } from './interval.js';

/** A change of mind, and why. */
export interface Switch {
  /** Milliseconds since the start. */
  readonly time: number;
  readonly from: string;
  readonly to: string;
  /** For people. */
  readonly reason: string;
  /** Bytes per second that the link carries; absent while it has never limited. */
  readonly 'link-rate'?: number;
  /** Bytes of guest memory per second, expected before and after. */
  readonly 'expected-before': number;
  readonly 'expected-after': number;
}

/** What is known before anything was measured. */
export interface FirstGuess {
  /** Where to begin, or near it; zstd 1 without it. */
  readonly level?: number;
  /** Bytes per second; the link carries no more. */
  readonly linkRate?: number;
}

/**
 * Milliseconds of writes and chunks that are looked at together: a tenth of the time since the start, or since the link has
 * changed, within these. A look takes up to a millisecond of the main thread.
 */
const LOOK_MS = { least: 25, most: 100 } as const;
/** In the first moments threads start, on both sides, and compilers compile: how busy processors are there says nothing. */
const WARM_UP_MS = 100;
/** In a window of more waiting than this the link is the limit, in one of less than that everything else. */
const LINK_SHARE = 0.5;
const OWN_SHARE = 0.15;
/** Workers and processors that do less than this while the link does not limit have nothing to do: the input is slow. */
const BUSY_WORKERS = 0.7;
const BUSY_CPUS = 0.8;
/** A receiver that waits for less than this share of the time is the limit itself. */
const BUSY_RECEIVER = 0.25;
/**
 * How much more work costs processors that only rest, without a codec: 1.3 to 1.4 times as much was measured where they had
 * 40 and 15 % to do (a busy guest over 3 and 1 Gbit/s), 1.4 to 1.5 times where it was 65 % (an idle one).
 */
const RESTING = 0.6;
/** A candidate that is this close to the best and costs less processor time is better. */
const AS_GOOD = 0.01;
/** Link rate or costs that differ by this much from what they were at the last switch are news. */
const NEWS = 1.25;

export class Controller {
  readonly #list: readonly Candidate[];
  readonly #machine: Machine;
  readonly #curves: Curves;
  readonly #link: LinkGauge;
  readonly #receiver = new ReceiverGauge();
  readonly #trials = new Trials();
  readonly #watching = new CpuSampler();
  readonly #patience: SwitchPolicy;
  readonly #start: number;
  readonly #corrections = new Corrections();
  readonly #main = new MainThread();
  #current: number;
  #atLastSwitch: { link: number; wire: number; worker: number };
  #from: number | undefined;
  #firstLook: number | undefined;
  /** When what is believed of the link last changed by much. */
  #changing = -Infinity;
  #window = new Interval();

  /**
   * @param list not empty
   * @param now milliseconds on the clock that everything is told in
   */
  constructor(list: readonly Candidate[], machine: Machine, now: number, first: FirstGuess = {}) {
    this.#list = list;
    this.#machine = machine;
    this.#curves = new Curves(list, machine.chunkSize);
    this.#current = firstCandidate(list, first.level);
    this.#link = new LinkGauge(first.linkRate);
    this.#start = now;
    this.#patience = new SwitchPolicy(now);
    this.#atLastSwitch = this.#conditions();
  }

  get current(): number {
    return this.#current;
  }

  /** Trials that were made, and the microseconds that they took. */
  get trials(): { readonly count: number; readonly micros: number } {
    return { count: this.#trials.count, micros: this.#trials.spent };
  }

  /** Bytes per second; undefined while the link has not limited. */
  get linkRate(): number | undefined {
    return this.#link.measured ? this.#link.rate : undefined;
  }

  /** With what the next chunk is to be coded a second time; undefined for most chunks. */
  nextTrial(): number | undefined {
    return this.#trials.next();
  }

  /** Whether the next chunk's processor time is to be taken; a chunk with a trial is watched in any case. */
  nextWatched(): boolean {
    return this.#watching.next();
  }

  sent(chunk: ChunkFigures, trial?: TrialFigures): void {
    this.#curves.sent(chunk);
    this.#watching.seen(chunk.jobMicros);
    const stored = this.#list[chunk.candidate]!.codec === 'none';
    const spent = (trial?.micros ?? 0) * (stored ? STORED_TRIES : 1);
    this.#trials.worked(chunk.wall - spent);
    this.#window.add(chunk, this.#current, spent);
    if (trial === undefined) return;
    this.#trials.paid(spent);
    if (stored) this.#curves.tasted(trial, chunk.plain);
    else this.#curves.tried(trial);
  }

  wrote(write: WriteFigures): void {
    // Before that the threads were starting.
    this.#from ??= write.began;
    this.#link.wrote(write);
  }

  /** The receiver's word. */
  heard(waiting: Waiting): void {
    this.#receiver.heard(waiting);
  }

  /** Whether look() has something to look at. */
  due(now: number): boolean {
    const settled = now - Math.max(this.#start, this.#changing);
    const length = Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, settled / 10));
    return this.#window.chunks > 0 && now - (this.#from ?? now) >= length;
  }

  /**
   * Takes up what happened since the last look, and switches where that pays.
   * @param cpu microseconds of processor time of the whole process since the last look
   */
  look(cpu: number, now: number): Switch | undefined {
    const elapsed = now - (this.#from ?? this.#start);
    const receiver = this.#receiver;
    const before = this.#link.rate;
    const link = this.#link.look(now, {
      allows: (share) => receiver.look(share, elapsed, now),
      get waited() {
        return receiver.waited;
      },
    });
    if (!alike(this.#link.rate, before)) this.#changing = now;
    const window = this.#window;
    window.cpu = cpu;
    this.#firstLook ??= this.#from ?? now;
    const warm = now - this.#firstLook >= WARM_UP_MS;
    const ease = this.#ease(cpu, elapsed);
    this.#curves.cut(now, ease);
    const learned = !warm || this.#learn(window, link, elapsed, now, ease);
    this.#from = now;
    this.#window = new Interval();
    return learned && this.#link.known ? this.#choose(now) : undefined;
  }

  /** False when nothing can be concluded: the input is slower than everything else. */
  #learn(
    window: Interval,
    { share, waited }: LinkInterval,
    elapsed: number,
    now: number,
    ease: number,
  ): boolean {
    const { threads, cpus, chunkSize } = this.#machine;
    if (window.known) this.#main.learn(window.main * ease, window.chunks, window.wire);
    if (share > LINK_SHARE) {
      this.#trials.idled(elapsed * 1e3, this.#list[this.#current]!.codec !== 'none');
      return true;
    }
    if (share > OWN_SHARE) return true;
    const idle =
      waited < OWN_SHARE &&
      window.busy < BUSY_WORKERS * threads * elapsed * 1e3 &&
      window.cpu < BUSY_CPUS * cpus * elapsed * 1e3;
    if (idle) return false;
    // Both waited, but hardly at once: for the link and for each other by turns. What processors can do does not show.
    if (waited > OWN_SHARE && (this.#receiver.waited ?? 0) > BUSY_RECEIVER) return true;
    if (!window.known || window.guestOfCurrent < 0.9 * window.guest || window.guest < 2 * chunkSize)
      return true;
    // Without the time that went into waiting for the link and into trials.
    const took = elapsed * (1 - share) - window.tried / 1e3 / threads;
    this.#corrections.learn(this.#current, window.should(this.#machine) / Math.max(took, elapsed / 2), now);
    return true;
  }

  /**
   * While a link limits what goes without a codec, processors rest between chunks and find cold caches and sleeping threads
   * afterwards: what they do costs more than it would if they had no rest, as with a codec.
   */
  #ease(cpu: number, elapsed: number): number {
    if (this.#list[this.#current]!.codec !== 'none') return 1;
    const rest = Math.max(0, 1 - cpu / (elapsed * 1e3 * this.#machine.cpus));
    return 1 / (1 + RESTING * rest);
  }

  /** What a candidate would reach now, by what is known. */
  expect(candidate: number, now: number): Prediction {
    const correction = this.#corrections.of(candidate, this.#current, now);
    const shares = this.#curves.shares(candidate);
    return predictAll(this.#machine, shares, this.#main.cost, this.#link.rate, correction);
  }

  #choose(now: number): Switch | undefined {
    const { chunkSize, longestChunk } = this.#machine;
    const here = this.expect(this.#current, now);
    let best = this.#current;
    let there = here;
    const others: { candidate: number; expected: Prediction }[] = [];
    for (let candidate = 0; candidate < this.#list.length; candidate++) {
      if (candidate === this.#current) continue;
      const chunk = (this.#curves.cost(candidate).worker * chunkSize) / 1e6;
      if (chunk > longestChunk) continue;
      const expected = this.expect(candidate, now);
      others.push({ candidate, expected });
      const better = expected.rate / there.rate - 1;
      if (better > AS_GOOD || (better > -AS_GOOD && expected.cpu < there.cpu && best !== this.#current)) {
        best = candidate;
        there = expected;
      }
    }
    this.#plan(others);
    const gain = there.rate / here.rate - 1;
    if (!this.#patience.allows(best === this.#current ? 0 : gain, this.#news(), now)) return undefined;
    return this.#switch(best, here, there, now);
  }

  /** What is worth trying: what might be better, best first. */
  #plan(others: { candidate: number; expected: Prediction }[]): void {
    const plain = this.#machine.chunkSize;
    this.#trials.plan(
      others
        .filter(({ candidate }) => this.#list[candidate]!.codec !== 'none')
        .sort((a, b) => b.expected.rate - a.expected.rate)
        .map(({ candidate }) => ({ candidate, cost: (this.#curves.codecTime(candidate) * plain) / 1e3 })),
    );
  }

  #switch(to: number, here: Prediction, there: Prediction, now: number): Switch {
    const from = this.#current;
    this.#current = to;
    this.#patience.reset();
    this.#atLastSwitch = this.#conditions();
    return {
      time: Math.round(now - this.#start),
      from: codingName(this.#list[from]!),
      to: codingName(this.#list[to]!),
      reason: this.#reason(here, there),
      ...(this.linkRate === undefined ? {} : { 'link-rate': Math.round(this.linkRate) }),
      'expected-before': Math.round(here.rate),
      'expected-after': Math.round(there.rate),
    };
  }

  #reason(here: Prediction, there: Prediction): string {
    if (here.bottleneck === 'link') return 'the link limits, and a smaller stream is faster';
    if (there.bottleneck === 'link') return 'the processors limit, and the link has room';
    return this.#link.measured
      ? 'the processors limit, and this is less work'
      : 'the processors limit, and the link has not limited yet';
  }

  #conditions(): { link: number; wire: number; worker: number } {
    const { wire, worker } = this.#curves.cost(this.#current);
    return { link: this.#link.rate, wire, worker };
  }

  #news(): boolean {
    const now = this.#conditions();
    const then = this.#atLastSwitch;
    return (['link', 'wire', 'worker'] as const).some((what) => !alike(now[what], then[what]));
  }
}

function alike(one: number, other: number): boolean {
  const change = one === other ? 1 : one / other;
  return change < NEWS && change > 1 / NEWS;
}
