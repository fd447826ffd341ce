// When a chunk is coded a second time with another candidate, and with which one: a small budget pays for exploring.
// Pure; knows nothing of how a trial is made.

import { type Policy, POLICY } from './policy.js';

export interface TrialChoice {
  readonly candidate: number;
  /** Expected microseconds. */
  readonly cost: number;
}

export class Trials {
  readonly #policy: Policy['trials'];
  readonly #longest: number;
  /** Microseconds. */
  #credit: number;
  #spent = 0;
  #count = 0;
  #chunks = 0;
  /** At which trial each candidate was last tried. */
  readonly #turns = new Map<number, number>();
  #favourites: readonly TrialChoice[] = [];
  /** The next trial: asked for with each chunk, so it is found once. */
  #choice: TrialChoice | undefined;

  constructor(policy: Policy = POLICY) {
    this.#policy = policy.trials;
    this.#longest = policy.limits.longestTrialUs;
    this.#credit = policy.trials.firstCreditUs;
  }

  /** Microseconds of processor time that trials took. */
  get spent(): number {
    return this.#spent;
  }

  get count(): number {
    return this.#count;
  }

  /** @param micros of a job without its trial */
  recordJob(micros: number): void {
    this.#earn(micros * this.#policy.workShare);
    this.#chunks++;
  }

  /**
   * @param micros in which the processors had nothing to do
   * @param coding whether a codec is in use: without one, only trials tell what it would gain
   */
  recordIdle(micros: number, coding: boolean): void {
    const { idleShare, storedShare } = this.#policy;
    this.#earn(micros * (coding ? idleShare : storedShare));
  }

  recordTrial(micros: number): void {
    this.#credit -= micros;
    this.#spent += micros;
  }

  /** @param favourites what is worth a trial, the best first */
  plan(favourites: readonly TrialChoice[]): void {
    this.#favourites = favourites
      .filter(({ cost }) => cost <= this.#longest)
      .slice(0, this.#policy.favourites);
    this.#choose();
  }

  /** The candidate with which to try the next chunk; undefined for most chunks. A candidate that is returned counts as tried. */
  next(): number | undefined {
    const choice = this.#choice;
    if (choice === undefined || this.#chunks < this.#policy.apartChunks || choice.cost > this.#credit)
      return undefined;
    this.#turns.set(choice.candidate, this.#count++);
    this.#chunks = 0;
    this.#choose();
    return choice.candidate;
  }

  #choose(): void {
    const turn = ({ candidate }: TrialChoice): number => this.#turns.get(candidate) ?? -1;
    [this.#choice] = [...this.#favourites].sort((a, b) => turn(a) - turn(b));
  }

  #earn(micros: number): void {
    this.#credit = Math.min(this.#policy.largestCreditUs, this.#credit + micros);
  }
}
