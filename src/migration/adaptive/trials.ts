// When a chunk is coded a second time with another candidate, and with which: exploring is paid from a small budget.
// Pure; knows nothing of how a trial is done.

/** Share of the workers' time that may go into trials. */
const WORK_SHARE = 0.008;
/** Share of the time in which processors idle because the link limits. */
const IDLE_SHARE = 0.006;
/** Microseconds: what there is at the start, and what can be saved up. */
const FIRST_CREDIT = 15_000;
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

  /** @param micros in which the processors had nothing to do */
  idled(micros: number): void {
    this.#earn(micros * IDLE_SHARE);
  }

  paid(micros: number): void {
    this.#credit -= micros;
    this.#spent += micros;
  }

  /** @param favourites the best first; what is taken up counts as tried */
  next(favourites: readonly TrialChoice[]): number | undefined {
    if (this.#chunks < APART_CHUNKS) return undefined;
    const turn = ({ candidate }: TrialChoice): number => this.#turns.get(candidate) ?? -1;
    const [choice] = favourites
      .filter(({ cost }) => cost <= LONGEST_TRIAL)
      .slice(0, FAVOURITES)
      .sort((a, b) => turn(a) - turn(b));
    if (choice === undefined || choice.cost > this.#credit) return undefined;
    this.#turns.set(choice.candidate, this.#count++);
    this.#chunks = 0;
    return choice.candidate;
  }

  #earn(micros: number): void {
    this.#credit = Math.min(LARGEST_CREDIT, this.#credit + micros);
  }
}
