// From measured codings to advice: which settings, which alternatives, up to which bandwidth each codec pays, and with what
// confidence. Pure; all its knowledge comes from the measurements and the model.

import { sampleVariance } from 'simple-statistics';

import type { CodecName } from '../../codec/codec.js';
import { type Measurements, codingKey } from '../measure/measurements.js';
import { type StretchCost, predict, type Prediction, type Route, type Threads } from '../model/model.js';
import type { Coding } from '../measure/codec-rig.js';

/** Coding and threads. */
/** Coding and threads. */
export interface Settings extends Coding {
  /** Threads at both sides. */
  readonly threads: Threads;
}

export interface Choice {
  readonly settings: Settings;
  readonly prediction: Prediction;
  /** Share of the sampled regions that this coding was measured on; the rest was estimated. */
  readonly measured: number;
}

/** Fewer threads are recommended where they make the transfer no slower than this share. */
const THREADS_TOLERANCE = 0.02;

/** Predictions that differ by a smaller share count as equal. */
const EQUALLY_FAST = 0.01;

/** Numbers of threads to consider: all small ones, then further apart. */
export function threadSteps(most: number): number[] {
  const steps: number[] = [];
  for (let threads = 1; threads < most; threads += threads < 8 ? 1 : threads < 16 ? 4 : 8)
    steps.push(threads);
  return [...steps, most];
}

/** The stretches of every coding, computed once. */
export class Table {
  readonly #rows: { coding: Coding; stretches: StretchCost[]; measured: number }[];

  constructor(measurements: Measurements) {
    this.#rows = measurements.codings.map((coding) => ({
      coding,
      stretches: measurements.stretches(coding),
      measured: measurements.tried(coding) / measurements.regions.length,
    }));
  }

  get codings(): Coding[] {
    return this.#rows.map(({ coding }) => coding);
  }

  stretches(coding: Coding): StretchCost[] {
    return this.#row(coding).stretches;
  }

  /** Share of the sampled regions that the coding was measured on. */
  measured(coding: Coding): number {
    return this.#row(coding).measured;
  }

  #row(coding: Coding): { stretches: StretchCost[]; measured: number } {
    return this.#rows.find((row) => codingKey(row.coding) === codingKey(coding))!;
  }

  /** Each coding with the fewest threads within the tolerance of its own best; the fastest coding first. */
  choices(route: Route, which: (coding: Coding) => boolean = () => true): Choice[] {
    return this.#rows
      .filter(({ coding }) => which(coding))
      .map(({ coding, stretches, measured }) => {
        const { threads, prediction } = fewestThreads(stretches, route);
        return { settings: { ...coding, threads }, prediction, measured };
      })
      .sort((a, b) => a.prediction.seconds - b.prediction.seconds);
  }

  /** The least seconds, with however many threads. */
  best(route: Route, which: (coding: Coding) => boolean = () => true): number {
    const threads = { compress: route.sender.cpus, decompress: route.receiver.cpus };
    let least = Infinity;
    for (const { coding, stretches } of this.#rows) {
      if (which(coding)) least = Math.min(least, predict(stretches, threads, route).seconds);
    }
    return least;
  }
}

function fewestThreads(
  stretches: readonly StretchCost[],
  route: Route,
): { threads: Threads; prediction: Prediction } {
  const all: { threads: Threads; prediction: Prediction }[] = [];
  for (const compress of threadSteps(route.sender.cpus)) {
    for (const decompress of threadSteps(route.receiver.cpus)) {
      const threads = { compress, decompress };
      all.push({ threads, prediction: predict(stretches, threads, route) });
    }
  }
  const best = Math.min(...all.map(({ prediction }) => prediction.seconds));
  const count = ({ threads }: { threads: Threads }): number => threads.compress + threads.decompress;
  return all
    .filter(({ prediction }) => prediction.seconds <= best * (1 + THREADS_TOLERANCE))
    .sort((a, b) => count(a) - count(b) || a.prediction.seconds - b.prediction.seconds)[0]!;
}

/**
 * Of all choices within the tolerance of the fastest, those with the fewest threads; of these, among equally fast predictions, the
 * choice with the least processor time.
 */
export function recommended(choices: readonly Choice[]): Choice {
  const best = choices[0]!.prediction.seconds;
  const count = ({ settings }: Choice): number => settings.threads.compress + settings.threads.decompress;
  const cpu = ({ prediction }: Choice): number => prediction.senderCpu + prediction.receiverCpu;
  const near = choices.filter(({ prediction }) => prediction.seconds <= best * (1 + THREADS_TOLERANCE));
  const fewest = Math.min(...near.map(count));
  const [first, ...others] = near.filter((choice) => count(choice) === fewest);
  const limit = first!.prediction.seconds * (1 + EQUALLY_FAST);
  return others
    .filter(({ prediction }) => prediction.seconds <= limit)
    .reduce((least, choice) => (cpu(choice) < cpu(least) ? choice : least), first!);
}

/** Bytes per second: the range that is searched for the bandwidth. */
const SLOWEST_LINK = 125_000;
const FASTEST_LINK = 125e9;
const STEPS = 40;

/**
 * The link rate (bytes of payload per second) above which no level of this codec is faster than no compression.
 * Infinity where it always is, 0 where it never is.
 */
export function paysUpTo(table: Table, codec: CodecName, route: Route): number {
  const pays = (linkRate: number): boolean => {
    const at = { ...route, linkRate };
    return (
      table.best(at, (coding) => coding.codec === codec) < table.best(at, (coding) => coding.codec === 'none')
    );
  };
  if (!pays(SLOWEST_LINK)) return 0;
  if (pays(FASTEST_LINK)) return Infinity;
  let low = Math.log(SLOWEST_LINK);
  let high = Math.log(FASTEST_LINK);
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2;
    if (pays(Math.exp(middle))) low = middle;
    else high = middle;
  }
  return Math.exp(low);
}

/** How far a prediction can be trusted. */
export interface Confidence {
  /** For people. */
  readonly level: 'high' | 'medium' | 'low';
  /** Half-width of the range in which the time is expected, as a share of it. */
  readonly error: number;
  /** Why the confidence is not higher, in plain words. */
  readonly reasons: readonly string[];
}

export interface ConfidenceInputs {
  /** Seconds that each region stands for in the recommended transfer, weighted. */
  readonly regionSeconds: readonly number[];
  /** Of those, which are of the second stratum (memory that looked empty); absent = none. */
  readonly empty?: readonly boolean[];
  /** The regions are the whole input. */
  readonly whole: boolean;
  /** Median of how much slower a repetition was than the fastest; undefined without any. */
  readonly spread: number | undefined;
  readonly extrapolated: boolean;
  /** Share of the sampled regions that the recommended coding was measured on. */
  readonly measured: number;
}

const HIGH = 0.1;
const MEDIUM = 0.25;

/** How far a prediction can be trusted, from what varies. */
export function confidence(inputs: ConfidenceInputs): Confidence {
  const { regionSeconds, whole, spread, extrapolated, measured } = inputs;
  const sum = regionSeconds.reduce((total, each) => total + each, 0);
  const stratum = (empty: boolean): number[] =>
    regionSeconds.filter((_, index) => (inputs.empty?.[index] ?? false) === empty);
  const scatter = scatterOf(stratum(false)) + scatterOf(stratum(true));
  // Two standard errors: strata within the two make it better, never worse.
  const sampling = whole || sum === 0 ? 0 : (2 * Math.sqrt(scatter)) / sum;
  const clock = spread ?? 0;
  const error = Math.hypot(sampling, clock);
  const reasons: string[] = [];
  if (sampling > HIGH / 2) {
    reasons.push(`memory differs from place to place: ±${percent(sampling)} from the sample alone`);
  }
  if (spread === undefined) reasons.push('no measurement was repeated: a larger --budget helps');
  else if (spread > HIGH) reasons.push(`repetitions differed by ${percent(spread)}: this machine is busy`);
  if (extrapolated) reasons.push('more threads than could be measured here');
  if (measured < 1 / 8) reasons.push(`measured on ${percent(measured)} of the sample only`);
  const level =
    error > MEDIUM || measured < 1 / 16
      ? 'low'
      : error > HIGH || extrapolated || spread === undefined
        ? 'medium'
        : 'high';
  return { level, error, reasons };
}

/** Beyond this error a recommendation is as likely wrong as right. */
const USELESS = 0.5;
/** Fewer codings are no choice. */
const LEAST_CODINGS = 4;

export interface WithholdingInputs {
  readonly busy: boolean;
  readonly confidence: Confidence;
  /** As for {@link confidence}. */
  readonly spread: number | undefined;
  /** How many codings were measured. */
  readonly codings: number;
  /** The engine's own cost was measured. */
  readonly engine: boolean;
}

/** Why there is no recommendation, in plain words; empty where there is one. No advice is better than wrong advice. */
export function reasonsToWithhold(inputs: WithholdingInputs): string[] {
  const { busy, spread, codings, engine } = inputs;
  const { error } = inputs.confidence;
  const reasons: string[] = [];
  if (codings < LEAST_CODINGS) reasons.push(`only ${codings} settings could be measured`);
  if (!engine) reasons.push("the engine's own cost could not be measured in time");
  if (error > USELESS) reasons.push(`the prediction is off by up to ${percent(error)}`);
  else if (busy && error > MEDIUM) reasons.push(`the prediction is off by ${percent(error)} on a busy host`);
  if (busy && spread === undefined) reasons.push('no measurement could be repeated on a busy host');
  return reasons;
}

/** The sample's variance of a sum. */
function scatterOf(values: readonly number[]): number {
  return values.length < 2 ? 0 : values.length * sampleVariance(values);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
