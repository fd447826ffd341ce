// Chooses how the next chunk is coded: the candidate with which the transfer goes fastest, by what was measured so far.
// A state machine without clock, slots or I/O: it is fed with chunks, writes and processor time, and asked for a choice. Its
// states are those of the link (link/link-state.ts) and of the switches (switch-policy.ts), drawn in docs/ADAPTIVE.md.

import type { Waiting } from '../../io/waiting-source.js';
import { STORED_TRIES } from '../../slot/encode-job.js';
import { type Candidate, codingName, firstCandidate } from './candidates.js';
import { type Conditions, haveChanged, isAlike } from './conditions.js';
import { Corrections } from './costs/corrections.js';
import { CpuSampler } from './costs/cpu-sampler.js';
import { type ChunkFigures, Curves, type TrialFigures } from './costs/curves.js';
import { Interval } from './costs/interval.js';
import { LinkGauge, type LinkInterval } from './link/link-gauge.js';
import { MainThread } from './costs/main-thread.js';
import { type Policy, POLICY } from './policy.js';
import type { FirstGuess, Learned } from './history/prior.js';
import { type Machine, predictAll, type Prediction } from './prediction.js';
import { Probe, PROBING } from './probe.js';
import { ProcessorShare } from './costs/processor-share.js';
import { ReceiverGauge } from './link/receiver-gauge.js';
import { reasonOf, type Switch } from './switch.js';
import { SwitchPolicy } from './switch-policy.js';
import { Trials } from './trials.js';
import type { WriteFigures } from './link/write-figures.js';

/** A candidate and what it would reach. */
interface Choice {
  readonly candidate: number;
  readonly expected: Prediction;
}

export class Controller {
  readonly #list: readonly Candidate[];
  readonly #machine: Machine;
  readonly #policy: Policy;
  readonly #curves: Curves;
  readonly #link: LinkGauge;
  readonly #receiver: ReceiverGauge;
  readonly #trials: Trials;
  readonly #sampler: CpuSampler;
  readonly #switches: SwitchPolicy;
  readonly #corrections: Corrections;
  readonly #main: MainThread;
  readonly #share: ProcessorShare;
  readonly #probe: Probe;
  readonly #start: number;
  #current: number;
  #atLastSwitch: Conditions;
  /** When the interval began; undefined before the first write. */
  #from: number | undefined;
  #firstEvaluation: number | undefined;
  /** When the estimate of the link last changed by much. */
  #changing = -Infinity;
  #interval = new Interval();

  /**
   * @param list not empty
   * @param now milliseconds on the clock of all other times
   */
  constructor(
    list: readonly Candidate[],
    machine: Machine,
    now: number,
    first: FirstGuess = {},
    policy: Policy = POLICY,
  ) {
    this.#list = list;
    this.#machine = machine;
    this.#policy = policy;
    this.#curves = new Curves(list, machine.chunkSize, policy, first.costs);
    this.#link = new LinkGauge(first.link, policy);
    this.#receiver = new ReceiverGauge(policy);
    this.#trials = new Trials(policy);
    this.#sampler = new CpuSampler(policy);
    this.#switches = new SwitchPolicy(now, policy);
    this.#corrections = new Corrections(policy);
    this.#main = new MainThread(policy, first.costs);
    this.#share = new ProcessorShare(machine, policy);
    this.#probe = new Probe(machine.chunkSize, policy);
    this.#start = now;
    this.#current = firstCandidate(list, first.level);
    // A known rate and the expected costs name a better beginning than any fixed level.
    if (first.level === undefined && first.link !== undefined) this.#current = this.#best(now).best.candidate;
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

  /** What was measured, for later transfers. */
  get learned(): Learned {
    const { learned: link } = this.#link;
    const { learned: costs } = this.#curves;
    const { perChunk, perWireByte } = this.#main.cost;
    return {
      ...(link === undefined ? {} : { link }),
      ...(costs === undefined
        ? {}
        : { costs: { ...costs, mainNsPerChunk: perChunk, mainNsPerByte: perWireByte } }),
    };
  }

  /** The candidate with which the next chunk is to be coded a second time; undefined for most chunks. */
  nextTrial(): number | undefined {
    return this.#trials.next();
  }

  /** The candidate for the next chunk where it probes the link; else undefined. A chunk that is asked for must be sent. */
  nextProbe(): number | undefined {
    return this.#probe.next() ? PROBING : undefined;
  }

  /** Whether to measure the next chunk's processor time; a chunk with a trial is measured in any case. */
  nextMeasured(): boolean {
    return this.#sampler.next();
  }

  recordChunk(chunk: ChunkFigures, trial?: TrialFigures): void {
    this.#curves.recordChunk(chunk);
    this.#sampler.recordJob(chunk.jobMicros);
    const stored = this.#isStored(chunk.candidate);
    const spent = (trial?.micros ?? 0) * (stored ? STORED_TRIES : 1);
    this.#trials.recordJob(chunk.wall - spent);
    this.#interval.add(chunk, this.#current, spent);
    if (chunk.candidate === PROBING) this.#probe.recordChunk(chunk.encoded);
    if (trial === undefined) return;
    this.#trials.recordTrial(spent);
    if (stored) this.#curves.recordStoredTrial(trial, chunk.plain);
    else this.#curves.recordTrial(trial);
  }

  recordWrite(write: WriteFigures): void {
    // Before the first write the threads were starting.
    this.#from ??= write.began;
    this.#link.recordWrite(write);
  }

  /** The receiver has reported how long it waits. */
  recordReport(waiting: Waiting): void {
    this.#receiver.recordReport(waiting);
  }

  /** Whether the interval is over. */
  isDue(now: number): boolean {
    const { shortestMs, longestMs, settledDivisor } = this.#policy.interval;
    const settled = now - Math.max(this.#start, this.#changing);
    const least = this.#probe.isUnderWay ? longestMs : shortestMs;
    const length = Math.min(longestMs, Math.max(least, settled / settledDivisor));
    return this.#interval.chunks > 0 && now - (this.#from ?? now) >= length;
  }

  /**
   * Ends the interval: takes up what happened, and switches where that pays.
   * @param cpu microseconds of processor time of the whole process in this interval
   */
  evaluate(cpu: number, now: number): Switch | undefined {
    const elapsed = now - (this.#from ?? this.#start);
    const receiver = this.#receiver;
    const before = this.#link.rate;
    const other = {
      allows: (share: number) => receiver.endInterval(share, elapsed, now),
      get waited() {
        return receiver.waited;
      },
    };
    const canProbe = this.#current !== PROBING && this.#probe.isPossible;
    const link = this.#link.endInterval(now, other, canProbe ? this.#probe.end() : undefined);
    if (this.#link.wantsProbe) this.#probe.begin();
    if (!isAlike(this.#link.rate, before, this.#policy.evidence.changeFactor)) this.#changing = now;
    const interval = this.#interval;
    interval.cpu = cpu;
    this.#firstEvaluation ??= this.#from ?? now;
    const warm = now - this.#firstEvaluation >= this.#policy.evidence.warmUpMs;
    const ease = this.#isStored(this.#current) ? interval.ease(this.#machine, this.#policy, elapsed) : 1;
    this.#curves.endStretch(now, ease);
    if (warm && interval.known) this.#main.learn(interval.main * ease, interval.chunks, interval.wire);
    this.#share.record(interval, elapsed);
    const conclusive = !warm || this.#learn(interval, link, elapsed, now);
    this.#from = now;
    this.#interval = new Interval();
    return conclusive && this.#link.known ? this.#choose(now) : undefined;
  }

  /**
   * Corrects the model of the processors where they were the bottleneck.
   * @returns false when nothing can be concluded: the input is slower than everything else
   */
  #learn(interval: Interval, { share, waited }: LinkInterval, elapsed: number, now: number): boolean {
    const { evidence, limits } = this.#policy;
    if (share > evidence.linkShare) {
      this.#trials.recordIdle(elapsed * 1e3, !this.#isStored(this.#current));
      return true;
    }
    if (share > evidence.ownShare) return true;
    if (waited < evidence.ownShare && interval.isIdle(this.#machine, this.#policy, elapsed)) return false;
    // Both sides waited, but hardly at once: each for the other by turns. What the processors can do does not show.
    if (waited > evidence.ownShare && (this.#receiver.waited ?? 0) > evidence.receiverWaitShare) return true;
    const least = evidence.leastChunks * this.#machine.chunkSize;
    const mixed = interval.guestOfCurrent < evidence.currentShare * interval.guest;
    if (!interval.known || mixed || interval.guest < least) return true;
    // Without the time that went into waiting for the link and into trials.
    const took = elapsed * (1 - share) - interval.tried / 1e3 / this.#machine.threads;
    const working = Math.max(took, elapsed * limits.leastWorkingShare);
    this.#corrections.learn(
      this.#current,
      interval.expectedMs(this.#machine) / this.#share.value / working,
      now,
    );
    return true;
  }

  /** What a candidate would reach now, by what is known. */
  expect(candidate: number, now: number): Prediction {
    const correction = this.#corrections.of(candidate, this.#current, now) * this.#share.value;
    const conditions = { machine: this.#machine, main: this.#main.cost, link: this.#link.rate };
    return predictAll(conditions, this.#curves.shares(candidate), correction);
  }

  #choose(now: number): Switch | undefined {
    const { here, best, others } = this.#best(now);
    this.#planTrials(others);
    const gain = best.candidate === this.#current ? 0 : best.expected.rate / here.rate - 1;
    if (!this.#switches.allows(gain, this.#hasChanged(), now)) return undefined;
    return this.#switch(best, here, now);
  }

  /** The candidate in use, the best one, and all others, with what each would reach. */
  #best(now: number): { here: Prediction; best: Choice; others: readonly Choice[] } {
    const { chunkSize, longestChunk } = this.#machine;
    const { equalGain } = this.#policy.evidence;
    const here = this.expect(this.#current, now);
    let best: Choice = { candidate: this.#current, expected: here };
    const others: Choice[] = [];
    for (let candidate = 0; candidate < this.#list.length; candidate++) {
      if (candidate === this.#current) continue;
      const chunk = (this.#curves.cost(candidate).worker * chunkSize) / 1e6;
      if (chunk > longestChunk) continue;
      const expected = this.expect(candidate, now);
      others.push({ candidate, expected });
      const gain = expected.rate / best.expected.rate - 1;
      const cheaper = expected.cpu < best.expected.cpu && best.candidate !== this.#current;
      if (gain > equalGain || (gain > -equalGain && cheaper)) best = { candidate, expected };
    }
    return { here, best, others };
  }

  /** What is worth a trial: what might be better, best first. */
  #planTrials(others: readonly Choice[]): void {
    const plain = this.#machine.chunkSize;
    this.#trials.plan(
      others
        .filter(({ candidate }) => !this.#isStored(candidate))
        .sort((a, b) => b.expected.rate - a.expected.rate)
        .map(({ candidate }) => ({ candidate, cost: (this.#curves.codecTime(candidate) * plain) / 1e3 })),
    );
  }

  #switch({ candidate, expected }: Choice, here: Prediction, now: number): Switch {
    const from = this.#current;
    this.#current = candidate;
    this.#switches.reset();
    this.#atLastSwitch = this.#conditions();
    return {
      time: Math.round(now - this.#start),
      from: codingName(this.#list[from]!),
      to: codingName(this.#list[candidate]!),
      reason: reasonOf(here, expected, this.#link.measured),
      ...(this.linkRate === undefined ? {} : { linkRate: Math.round(this.linkRate) }),
      expectedBefore: Math.round(here.rate),
      expectedAfter: Math.round(expected.rate),
    };
  }

  #isStored(candidate: number): boolean {
    return this.#list[candidate]!.codec === 'none';
  }

  #conditions(): Conditions {
    const { wire, worker } = this.#curves.cost(this.#current);
    return { link: this.#link.rate, wire, worker };
  }

  /** Whether link or guest are no longer what they were at the last switch. */
  #hasChanged(): boolean {
    return haveChanged(this.#conditions(), this.#atLastSwitch, this.#policy.evidence.changeFactor);
  }
}
