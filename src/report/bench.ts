// What `bench` found, as a table for people. Pure: plain data in, text out, without a newline at the end.

import Table from 'cli-table3';

import type { BenchResult, DeltaFigures } from '../tune/bench-result.js';
import { formatSize } from '../units.js';
import { memoryLine } from './tune.js';

const PLAIN = {
  style: { head: [], border: [] },
  chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
};

export function formatBench(result: BenchResult): string {
  const { rows, peers, repetitions } = result;
  const table = new Table({
    head: [
      'codec',
      'level',
      'chunk',
      'threads',
      'ratio',
      'compress MB/s',
      '±',
      'CPU s/GiB',
      'decompress MB/s',
      '±',
      'CPU s/GiB',
    ],
    colAligns: ['left', ...Array.from({ length: 10 }, () => 'right' as const)],
    ...PLAIN,
  });
  for (const row of rows) {
    table.push([
      row.codec,
      row.codec === 'none' ? '-' : row.level,
      formatSize(row.chunkSize).replace('.0 ', ' '),
      row.threads,
      row.ratio.toFixed(2),
      mega(row.compress.best),
      percent(row.compress.spread),
      row.compressCpuPerGiB.toFixed(2),
      mega(row.decompress.best),
      percent(row.decompress.spread),
      row.decompressCpuPerGiB.toFixed(2),
    ]);
  }
  return [
    aboutBench(result),
    table.toString(),
    `Best of ${repetitions}; ± is how much slower the slowest was.`,
    ...deltaLines(result),
    ...peerLines(peers),
    memoryLine(result),
  ].join('\n');
}

/** What was looked at, in a sentence. */
export function aboutBench({ input, sample, host, peakMemory }: BenchResult): string {
  return (
    `${formatSize(input.bytes)} (${input.kind}), ${sample.regions} regions (${formatSize(sample.bytes)}) of it; ` +
    `${host.cpus} CPUs; peak memory ${formatSize(peakMemory)}. MB/s of guest memory.`
  );
}

function deltaLines({ delta }: BenchResult): string[] {
  if (delta === undefined) return [];
  const table = new Table({
    head: [
      'pages sent again',
      'level',
      'ratio',
      'with deltas',
      'compress MB/s',
      'with deltas',
      'decompress MB/s',
      'with deltas',
    ],
    colAligns: ['left', ...Array.from({ length: 7 }, () => 'right' as const)],
    ...PLAIN,
  });
  for (const { plain, delta: own } of delta.rows) {
    table.push([
      plain.codec,
      plain.codec === 'none' ? '-' : plain.level,
      plain.ratio.toFixed(2),
      own.ratio.toFixed(2),
      mega(plain.compress.best),
      mega(own.compress.best),
      mega(plain.decompress.best),
      mega(own.decompress.best),
    ]);
  }
  return ['', table.toString(), aboutDelta(delta)];
}

/** What was sent again, in a sentence. */
export function aboutDelta({ before, changed, bytes }: DeltaFigures): string {
  return (
    `${(changed * 100).toFixed(1)} % of the pages differ from ${before}; ${formatSize(bytes)} of them measured, in one thread, ` +
    'whole and against a page store that holds the older contents.'
  );
}

function peerLines(peers: BenchResult['peers']): string[] {
  if (peers.length === 0) return [];
  const table = new Table({
    head: ['other programs', 'ratio', 'compress MB/s', '±', 'decompress MB/s', 'CPU s/GiB, both'],
    colAligns: ['left', ...Array.from({ length: 5 }, () => 'right' as const)],
    ...PLAIN,
  });
  for (const peer of peers) {
    table.push([
      peer.name,
      peer.ratio.toFixed(2),
      mega(peer.compressRate),
      percent(peer.spread),
      mega(peer.decompressRate),
      Number.isNaN(peer.cpuPerGiB) ? 'n/a' : peer.cpuPerGiB.toFixed(2),
    ]);
  }
  return ['', table.toString(), 'From file to file, their start included.'];
}

function mega(rate: number): string {
  return String(Math.round(rate / 1e6));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
