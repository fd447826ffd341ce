// The report's contents as plain data: the charts' series and the tables' rows, computed from a result of tune or bench.
// Pure: no page, no library, no file. Rates in bits per second on the link, in MB of guest memory per second elsewhere.

import { predict, type StretchCost, type Route } from '../../tune/model/model.js';
import { speedup } from '../../tune/model/scaling.js';
import type { TuneResult } from '../../tune/advice/result.js';
import type { Settings } from '../../tune/advice/recommend.js';
import type { Verification, VerifiedRun } from '../../tune/advice/verification.js';
import { formatSize } from '../../units.js';
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
    { label: 'best of all (recommended)', kind: 'best', points: best },
    ...lines
      .filter((line) => shown.has(line))
      .map(({ label, points }): Series => ({ label, points, kind: 'predicted' })),
  ];
}

/** Largest number of threads in the scaling chart. */
const MAX_THREADS = 16;

function scalingSeries(label: string, scaling: Route['sender']['scaling'], base: number): Series[] {
  const last = scaling.at(-1)?.threads ?? 1;
  const at = (threads: number): Point => ({ x: threads, y: base * speedup(scaling, threads).factor });
  const more = Array.from({ length: MAX_THREADS - last + 1 }, (_, step) => at(last + step));
  return [
    { label: `${label}, measured`, kind: 'measured', points: scaling.map(({ threads }) => at(threads)) },
    { label: `${label}, predicted`, kind: 'predicted', points: more },
  ];
}

export function scalingChart(route: Route, compress: number, decompress: number, what: string): Chart {
  return {
    id: 'scaling',
    title: 'Scaling over threads',
    text: `Guest MB per second of ${what} over the number of threads, compression and decompression.`,
    type: 'lines',
    x: { title: 'threads' },
    y: { title: 'guest memory, MB/s' },
    series: [
      ...scalingSeries('compression', route.sender.scaling, compress),
      ...scalingSeries('decompression', route.receiver.scaling, decompress),
    ],
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
