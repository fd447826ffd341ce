// The report of a `tune` run: its charts and tables. Pure.

import { ETHERNET_PAYLOAD } from '../../tune/model/link.js';
import type { Alternative, TuneResult } from '../../tune/advice/result.js';
import { differenceOf, type Verification } from '../../tune/advice/verification.js';
import { formatBits, formatSize } from '../../units.js';
import { aboutLink, aboutTune, commandsOf, headline, namedAlternatives } from '../tune.js';
import { signed, verifiedLines } from '../verified.js';
import type { Chart } from './chart.js';
import {
  type Candidate,
  crossover,
  linkMark,
  memoryChart,
  nameOf,
  ratioChart,
  type ReportData,
  type Rows,
  runName,
  secondsChart,
  verifiedChart,
} from './data.js';

export function tuneReport(result: TuneResult): ReportData {
  const { codings, host, took } = result;
  const candidates = result.loads.map(({ coding, loads }) => ({ settings: codings[coding]!, loads }));
  const charts: Chart[] = [
    secondsOverThreads(result, candidates),
    linksChart(result, candidates),
    ratioChart(
      codings.map((coding) => ({
        label: nameOf(coding),
        codec: coding.codec,
        rate: coding.compressRate / 1e6,
        ratio: coding.ratio,
      })),
    ),
    memoryChart(result),
    ...(result.verified === undefined ? [] : [verifiedChart(result.verified)]),
  ];
  return {
    title: `ramferry tune: ${result.input.name}`,
    summary: [aboutTune(result), ...headline(result)],
    commands: result.withheld === undefined ? commandsOf(result) : [],
    charts,
    tables: [
      alternatives(result),
      ...(result.verified === undefined ? [] : [verified(result, result.verified)]),
      paying(result),
      raw(result),
    ],
    about:
      `Lines are predictions of a model from what was measured here (whole lines and points: measured; broken lines: predicted). ` +
      `${host.cpus} CPUs (${host.model}), Node ${host.node}; seed ${result.sample.seed}; measured for ${(took / 1e3).toFixed(1)} s.`,
  };
}

/** Lines of the threads chart: the recommended settings, no compression, and the best of each other codec. */
function secondsOverThreads(result: TuneResult, candidates: readonly Candidate[]): Chart {
  const { recommended, alternatives: others, uncompressed, withheld, route } = result;
  const { settings, seconds } = recommended;
  const byCodec = new Map(
    [recommended, ...others, uncompressed].map((each) => [each.settings.codec, each] as const).reverse(),
  );
  const second = others.filter((each) => each.settings.codec === settings.codec).slice(0, 2);
  const chosen = new Set([recommended, ...second, ...byCodec.values()].map((each) => nameOf(each.settings)));
  const shown = [...chosen].map((name) => candidates.find((each) => nameOf(each.settings) === name)!);
  const at = { x: settings.threads.compress, y: seconds };
  return secondsChart(
    shown,
    route,
    at,
    aboutLink(result),
    withheld === undefined ? 'recommended' : 'fastest',
  );
}

/** The settings over the bandwidth of the link, where this link is marked. */
function linksChart(result: TuneResult, candidates: readonly Candidate[]): Chart {
  const series = crossover(candidates, result.route, ETHERNET_PAYLOAD);
  const { linkRate } = result.route;
  const mark = Number.isFinite(linkRate) ? [linkMark(series, (linkRate * 8) / ETHERNET_PAYLOAD)] : [];
  return {
    id: 'crossover',
    title: 'Which settings for which link',
    text:
      'Guest MB per second over the bandwidth of the link, a line for each of the settings; the best at each bandwidth is marked' +
      (mark.length === 0 ? '.' : `, and ${mark[0]!.label}.`),
    type: 'lines',
    x: { title: 'bandwidth of the link', log: true },
    y: { title: 'guest memory, MB/s', log: true },
    series: [...series, ...mark],
    unit: 'MB/s',
  };
}

function alternatives(result: TuneResult): Rows {
  const row = (what: string, { settings, ...each }: Alternative): (string | number)[] => [
    what,
    nameOf(settings),
    `${settings.threads.compress} / ${settings.threads.decompress}${each.extrapolated ? ' (predicted)' : ''}`,
    Number(each.seconds.toFixed(2)),
    formatSize(each.wireBytes),
    Number(each.ratio.toFixed(2)),
    Number(each.senderCpuPerGiB.toFixed(2)),
    Number(each.receiverCpuPerGiB.toFixed(2)),
    each.bottleneck,
  ];
  return {
    title: 'What comes closest',
    columns: [
      '',
      'settings',
      'threads here / there',
      'seconds',
      'on the link',
      'ratio',
      'CPU s/GiB here',
      'there',
      'limit',
    ],
    rows: namedAlternatives(result).map(({ name, row: each }) => row(name, each)),
    note: 'Seconds are predicted.',
  };
}

function verified(result: TuneResult, verification: Verification): Rows {
  return {
    title: 'Predicted against measured',
    columns: ['settings, threads', 'predicted s', 'measured s', 'difference', 'runs'],
    rows: verification.runs.map((run) => [
      runName(run),
      Number(run.predicted.toFixed(2)),
      Number(run.measured.toFixed(2)),
      signed(differenceOf(run)),
      run.runs.length,
    ]),
    note: verifiedLines(result, verification).join(' '),
  };
}

function paying({ paysUpTo }: TuneResult): Rows {
  return {
    title: 'Up to which bandwidth a codec pays',
    columns: ['codec', 'faster than no compression on links up to'],
    rows: Object.entries(paysUpTo).map(([codec, rate]) => [
      codec,
      rate === null ? 'any' : rate === 0 ? 'none' : formatBits(rate),
    ]),
  };
}

function raw({ codings }: TuneResult): Rows {
  return {
    title: 'Measured in one thread',
    columns: ['settings', 'ratio', 'compress MB/s', 'decompress MB/s', 'of the sample'],
    rows: codings.map((coding) => [
      nameOf(coding),
      Number(coding.ratio.toFixed(3)),
      Math.round(coding.compressRate / 1e6),
      Math.round(coding.decompressRate / 1e6),
      `${Math.round(coding.measured * 100)} %`,
    ]),
    note: 'Guest memory per second of processor time. What was not measured of the sample was reckoned from zstd 1.',
  };
}
