// When a chunk is coded a second time with another candidate, and with which: exploring is paid from a small budget.
// Pure; knows nothing of how a trial is done.

/** Share of the workers' time that may go into trials. */
const WORK_SHARE = 0.004;
/** Share of the time in which processors idle because the link limits; and of that in which it limits what nobody codes. */
const IDLE_SHARE = 0.004;
const EAGER_SHARE = 0.04;
/** Microseconds: what there is at the start, and what can be saved up. */
const FIRST_CREDIT = 12_000;
const LARGEST_CREDIT = 40_000;
/** A chunk that is tried leaves later by so much at the most. */
const LONGEST_TRIAL = 25_000;
/** Candidates among which the one that was tried longest ago is next. */
const FAVOURITES = 4;
/** Microseconds' worth of chunks between two trials, so that they spread over the guest. */
const APART_CHUNKS = 3;

export interface TrialChoice {
  readonly candidate: number;
  /** Expected microseconds. */
  readonly cost: number;
}

export class Trials {
  #credit = FIRST_CREDIT;
  #spent = 0;
  #count = 0;
  #chunks = 0;
  readonly #turns = new Map<number, number>();
  #favourites: readonly TrialChoice[] = [];
  /** Whose turn it is: asked for each chunk, found out once. */
  #choice: TrialChoice | undefined;

  /** Microseconds of processor time that trials took. */
  get spent(): number {
    return this.#spent;
  }

  get count(): number {
    return this.#count;
  }

  /** @param micros of a job without its trial */
  worked(micros: number): void {
    this.#earn(micros * WORK_SHARE);
    this.#chunks++;
  }

  /**
   * @param micros in which the processors had nothing to do
   * @param coding whether a codec is in use: without one only trials tell what it would gain
   */
  idled(micros: number, coding: boolean): void {
    this.#earn(micros * (coding ? IDLE_SHARE : EAGER_SHARE));
  }

  paid(micros: number): void {
    this.#credit -= micros;
    this.#spent += micros;
  }

  /** @param favourites what is worth trying, the best first */
  plan(favourites: readonly TrialChoice[]): void {
    this.#favourites = favourites.filter(({ cost }) => cost <= LONGEST_TRIAL).slice(0, FAVOURITES);
    this.#take();
  }

  /** With what the next chunk is to be tried; undefined for most. What is told counts as tried. */
  next(): number | undefined {
    const choice = this.#choice;
    if (choice === undefined || this.#chunks < APART_CHUNKS || choice.cost > this.#credit) return undefined;
    this.#turns.set(choice.candidate, this.#count++);
    this.#chunks = 0;
    this.#take();
    return choice.candidate;
  }

  #take(): void {
    const turn = ({ candidate }: TrialChoice): number => this.#turns.get(candidate) ?? -1;
    [this.#choice] = [...this.#favourites].sort((a, b) => turn(a) - turn(b));
  }

  #earn(micros: number): void {
    this.#credit = Math.min(LARGEST_CREDIT, this.#credit + micros);
  }
}
