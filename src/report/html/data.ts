// The report's contents as plain data: the charts' series and the tables' rows, computed from a result of tune or bench.
// Pure: no page, no library, no file. Rates in bits per second on the link, in MB of guest memory per second elsewhere.

import { predict, type StretchCost, type Route } from '../../tune/model/model.js';
import type { TuneResult } from '../../tune/advice/result.js';
import type { Settings } from '../../tune/advice/recommend.js';
import type { Verification, VerifiedRun } from '../../tune/advice/verification.js';
import { formatBits, formatSize } from '../../units.js';
import type { Bars, Chart, Point, Series } from './chart.js';

/** A chart of horizontal bars. @param axis title of the x axis; `labels` name the bars */
export function barChart({
  id,
  title,
  text,
  axis,
  ...bars
}: Pick<Chart, 'id' | 'title' | 'text'> & Bars & { readonly axis: string }): Chart {
  return { id, title, text, type: 'bars', x: { title: axis }, y: { title: '' }, bars };
}

export interface Rows {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly note?: string;
}

export interface ReportData {
  readonly title: string;
  /** Sentences at the top. */
  readonly summary: readonly string[];
  /** Commands to paste. */
  readonly commands: readonly string[];
  readonly charts: readonly Chart[];
  readonly tables: readonly Rows[];
  /** Host, versions and seed of the measurement, in small print. */
  readonly about: string;
}

/** Range of the crossover chart's x axis, in bits per second. */
const MIN_BANDWIDTH = 1e7;
const MAX_BANDWIDTH = 1e11;
const STEPS_PER_DECADE = 12;
const MEGA = 1e6;

export function bandwidths(): number[] {
  const decades = Math.log10(MAX_BANDWIDTH / MIN_BANDWIDTH);
  const steps = decades * STEPS_PER_DECADE;
  return Array.from({ length: steps + 1 }, (_, step) => MIN_BANDWIDTH * 10 ** (step / STEPS_PER_DECADE));
}

export interface Candidate {
  readonly settings: Omit<Settings, 'threads'>;
  readonly loads: readonly StretchCost[];
}

export function nameOf({ codec, level, chunkSize }: Candidate['settings']): string {
  return codec === 'none' ? `none, ${size(chunkSize)}` : `${codec} ${level}, ${size(chunkSize)}`;
}

function size(bytes: number): string {
  return formatSize(bytes).replace('.0 ', ' ');
}

/** Guest MB per second while data flows. @param bits bandwidth of the cable in bit/s; @param payload its payload share */
export function throughput(
  loads: readonly StretchCost[],
  route: Route,
  bits: number,
  payload: number,
): number {
  const threads = { compress: route.sender.cpus, decompress: route.receiver.cpus };
  return predict(loads, threads, { ...route, linkRate: (bits / 8) * payload }).guestRate / MEGA;
}

/** Limit of lines in the crossover chart. More lines would cover each other. */
const MAX_LINES = 8;

/** Lines for the candidates that are best at some bandwidth, for no compression, and for others up to MAX_LINES. */
export function crossover(candidates: readonly Candidate[], route: Route, payload: number): Series[] {
  const grid = bandwidths();
  const lines = candidates.map(({ settings, loads }) => ({
    settings,
    label: nameOf(settings),
    points: grid.map((x) => ({ x, y: throughput(loads, route, x, payload) })),
  }));
  const best = grid.map((x, at) => ({ x, y: Math.max(...lines.map(({ points }) => points[at]!.y)) }));
  const wins = (line: (typeof lines)[number]): number =>
    line.points.filter((point, at) => point.y >= best[at]!.y * 0.999).length;
  const plain = lines.filter(({ settings }) => settings.codec === 'none').slice(0, 1);
  const others = lines.filter((line) => !plain.includes(line)).sort((a, b) => wins(b) - wins(a));
  const perCodec = new Map(
    others.map((line) => [line.settings.codec, line]).reverse() as [string, (typeof lines)[number]][],
  );
  const shown = new Set([...plain, ...perCodec.values(), ...others].slice(0, MAX_LINES));
  return [
    { label: 'best of all', kind: 'best', points: best },
    ...lines
      .filter((line) => shown.has(line))
      .map(({ label, points }): Series => ({ label, points, kind: 'predicted' })),
  ];
}

/** Least number of threads at which the threads chart ends. */
const MAX_THREADS = 8;

/** A vertical line at a bandwidth of the crossover chart. @param bits on the cable, per second */
export function linkMark(series: readonly Series[], bits: number): Series {
  const heights = series.flatMap(({ points }) => points.map(({ y }) => y));
  return {
    label: `this link: ${formatBits(bits / 8)}`,
    kind: 'mark',
    points: [Math.min(...heights), Math.max(...heights)].map((y) => ({ x: bits, y })),
  };
}

/**
 * How long the guest takes over this link, by the number of threads. More threads than a host has CPUs are taken to come with a CPU each.
 * @param at the recommendation: its threads and its seconds
 * @param link in words
 * @param name of that point
 */
export function secondsChart(
  shown: readonly Candidate[],
  route: Route,
  at: Point,
  link: string,
  name: string,
): Chart {
  const most = Math.max(MAX_THREADS, route.sender.cpus);
  const counts = Array.from({ length: most }, (_, index) => index + 1);
  const seconds = (loads: readonly StretchCost[], threads: number): number => {
    const host = (own: Route['sender']): Route['sender'] => ({ ...own, cpus: Math.max(own.cpus, threads) });
    const wider = { ...route, sender: host(route.sender), receiver: host(route.receiver) };
    return predict(loads, { compress: threads, decompress: threads }, wider).seconds;
  };
  const series = shown.map(({ settings, loads }): Series => ({
    label: nameOf(settings),
    kind: 'predicted',
    points: counts.map((threads) => ({ x: threads, y: seconds(loads, threads) })),
  }));
  return {
    id: 'seconds',
    title: `How long this guest takes over ${link}`,
    text: `Seconds of the whole command over the number of threads at each side, on ${link}, a line for each of the settings.`,
    type: 'lines',
    x: { title: `threads at each side (beyond ${route.sender.cpus}: with a CPU for each)`, min: 1 },
    y: { title: 'seconds' },
    series: [...series, { label: name, kind: 'measured', points: [at] }],
    unit: 's',
  };
}

export function memoryChart({ memory }: Pick<TuneResult, 'memory'>): Chart {
  const parts = [
    { label: 'zero pages', share: memory.zero },
    { label: 'duplicates nearby', share: memory.duplicate },
    ...memory.classes.map(({ label, share }) => ({
      label: /\d/.test(label) ? `shrinks ${label}` : label,
      share,
    })),
  ];
  return barChart({
    id: 'memory',
    title: 'What this guest’s memory is made of',
    text: parts.map(({ label, share }) => `${label}: ${(share * 100).toFixed(1)} %`).join('; '),
    axis: 'share of all pages, %',
    labels: parts.map(({ label }) => label),
    series: [{ label: 'share of pages, %', values: parts.map(({ share }) => share * 100) }],
  });
}

export function verifiedChart({ runs }: Verification): Chart {
  return barChart({
    id: 'verified',
    title: 'Predicted against measured',
    text: runs
      .map(
        (run) =>
          `${runName(run)}: predicted ${run.predicted.toFixed(2)} s, measured ${run.measured.toFixed(2)} s`,
      )
      .join('; '),
    axis: 'seconds of the whole command',
    labels: runs.map(runName),
    series: [
      { label: 'predicted', values: runs.map(({ predicted }) => predicted) },
      { label: 'measured', values: runs.map(({ measured }) => measured) },
    ],
    unit: 's',
  });
}

/** Name of a verified run, with its compression and decompression threads. */
export function runName({ role, settings }: VerifiedRun): string {
  const { compress, decompress } = settings.threads;
  return `${nameOf(settings)}, ${compress}/${decompress}${role === 'recommended' ? ' (recommended)' : ''}`;
}

export function ratioChart(
  points: readonly {
    readonly label: string;
    readonly codec: string;
    readonly rate: number;
    readonly ratio: number;
  }[],
): Chart {
  const codecs = [...new Set(points.map(({ codec }) => codec))];
  return {
    id: 'ratio',
    title: 'Ratio against speed',
    text: 'Compression ratio over guest MB per second of one thread, a point for each codec, level and chunk size.',
    type: 'scatter',
    x: { title: 'compression in one thread, guest MB/s', log: true },
    y: { title: 'ratio' },
    series: codecs.map((codec) => ({
      label: codec,
      kind: 'measured',
      points: points
        .filter((point) => point.codec === codec)
        .map(({ rate, ratio, label }) => ({ x: rate, y: ratio, label })),
    })),
  };
}
