// The report of a `bench` run: its charts and tables. Pure.

import type { BenchResult, DeltaFigures } from '../../tune/bench/result.js';
import { ETHERNET_PAYLOAD } from '../../tune/model/link.js';
import type { Host, Route } from '../../tune/model/model.js';
import { aboutBench, aboutDelta } from '../bench.js';
import {
  ABOUT_PEERS,
  ABOUT_SPREAD,
  cells,
  DELTA_COLUMNS,
  PEER_COLUMNS,
  ROW_COLUMNS,
  titles,
} from '../bench-columns.js';
import type { Chart } from './chart.js';
import { barChart, crossover, memoryChart, nameOf, ratioChart, type ReportData, type Rows } from './data.js';
import { MIB } from '../../units.js';

export function benchReport(result: BenchResult): ReportData {
  const { rows, peers, host, loads } = result;
  const single = rows.filter(({ threads }) => threads === Math.min(...rows.map((row) => row.threads)));
  const charts: Chart[] = [
    ...(loads.some(({ coding }) => coding.codec === 'none') ? [crossoverChart(result)] : []),
    ratioChart(
      single.map((row) => ({
        label: nameOf(row),
        codec: row.codec,
        rate: row.compress.best / 1e6,
        ratio: row.ratio,
      })),
    ),
    threadsChart(result),
    memoryChart(result),
    ...(result.delta === undefined ? [] : [deltaChart(result.delta)]),
    ...(peers.length === 0 ? [] : [peersChart(result)]),
  ];
  return {
    title: `ramferry bench: ${result.input.name}`,
    summary: [aboutBench(result)],
    commands: [],
    charts,
    tables: [
      {
        title: 'All figures',
        columns: ['settings', 'threads', ...titles(ROW_COLUMNS)],
        rows: rows.map((row) => [nameOf(row), row.threads, ...cells(ROW_COLUMNS, row)]),
        note: `Best of ${result.repetitions}; ${ABOUT_SPREAD}`,
      },
      ...(result.delta === undefined ? [] : [deltaTable(result.delta)]),
      ...(peers.length === 0 ? [] : [peersTable(result)]),
    ],
    about:
      `Measured on ${host.cpus} CPUs (${host.model}), Node ${host.node}; seed ${result.sample.seed}. ` +
      `The lines over links are predicted from the measured codecs; the engine's own cost is left out there.`,
  };
}

/** The chart leaves out the engine's own cost: its rates are those of the codecs and the link. */
function crossoverChart({ loads }: BenchResult): Chart {
  const plain: Host = {
    cpus: 1,
    main: { perWireByte: 0, perChunk: 0, perGuestByte: 0 },
    scaling: [{ threads: 1, speedup: 1 }],
  };
  const route: Route = { sender: plain, receiver: plain, linkRate: Infinity, startUp: 0 };
  return {
    id: 'crossover',
    title: 'What one thread at each end could carry over each link',
    text: 'Guest MB per second over the bandwidth of the link, a line for each codec and level.',
    type: 'lines',
    x: { title: 'bandwidth of the link', log: true },
    y: { title: 'guest memory, MB/s', log: true },
    series: crossover(
      loads.map(({ coding, loads: own }) => ({ settings: coding, loads: own })),
      route,
      ETHERNET_PAYLOAD,
    ),
    unit: 'MB/s',
  };
}

function peersTable({ peers }: BenchResult): Rows {
  return {
    title: 'Other programs',
    columns: ['program', ...titles(PEER_COLUMNS)],
    rows: peers.map((peer) => [peer.name, ...cells(PEER_COLUMNS, peer)]),
    note: ABOUT_PEERS,
  };
}

function deltaTable(delta: DeltaFigures): Rows {
  return {
    title: 'Pages sent again',
    columns: ['settings', ...titles(DELTA_COLUMNS)],
    rows: delta.rows.map((row) => [nameOf(row.plain), ...cells(DELTA_COLUMNS, row)]),
    note: aboutDelta(delta),
  };
}

function deltaChart({ rows }: DeltaFigures): Chart {
  return barChart({
    id: 'delta',
    title: 'Pages sent again: what is left of them',
    text: 'Bytes on the link as a share of the pages that have changed, whole and as differences.',
    axis: 'bytes on the link, % of the pages',
    labels: rows.map(({ plain }) => nameOf(plain)),
    series: [
      { label: 'whole', values: rows.map(({ plain }) => 100 / plain.ratio) },
      { label: 'with deltas', values: rows.map(({ delta }) => 100 / delta.ratio) },
    ],
    unit: '%',
  });
}

function threadsChart({ rows }: BenchResult): Chart {
  const names = [...new Set(rows.map(nameOf))];
  const threads = [...new Set(rows.map((row) => row.threads))].sort((a, b) => a - b);
  return barChart({
    id: 'threads',
    title: 'Scaling over threads',
    text: 'Guest MB per second of compression by the number of threads, measured.',
    axis: 'compression, guest MB/s',
    labels: names,
    series: threads.map((count) => ({
      label: count === 1 ? '1 thread' : `${count} threads`,
      values: names.map(
        (name) =>
          (rows.find((row) => nameOf(row) === name && row.threads === count)?.compress.best ?? 0) / 1e6,
      ),
    })),
  });
}

/** Other programs beside ramferry's codings with 1 MiB chunks and all threads. */
function peersChart({ rows, peers }: BenchResult): Chart {
  const most = Math.max(...rows.map(({ threads }) => threads));
  const own = rows
    .filter((row) => row.threads === most && row.chunkSize === MIB)
    .map((row) => ({
      label: `ramferry ${nameOf(row)}`,
      compressRate: row.compress.best,
      decompressRate: row.decompress.best,
    }));
  const all = [
    ...own,
    ...peers.map(({ name, compressRate, decompressRate }) => ({ label: name, compressRate, decompressRate })),
  ];
  return barChart({
    id: 'peers',
    title: 'Beside other programs (ramferry: workers; others: whole commands)',
    text: 'Guest MB per second, compression and decompression; ramferry’s workers alone, the others as whole commands.',
    axis: 'guest MB/s',
    labels: all.map(({ label }) => label),
    series: [
      { label: 'compress', values: all.map(({ compressRate }) => compressRate / 1e6) },
      { label: 'decompress', values: all.map(({ decompressRate }) => decompressRate / 1e6) },
    ],
  });
}
