// The result of `tune --verify` as text for people: predicted against measured times, and the runs behind them.
// Pure: plain data in, text out.

import { median } from 'simple-statistics';

import type { TuneResult } from '../tune/advice/result.js';
import { differenceOf, type Verification } from '../tune/advice/verification.js';
import { formatBits, formatSize } from '../units.js';
import { paragraph, textTable } from './table.js';

/** @param width most characters in a line */
export function formatVerified(result: TuneResult, verification: Verification, width?: number): string {
  const head = ['', 'codec', 'level', 'chunk', 'threads', 'predicted', 'measured', 'difference', 'runs'];
  const rows = verification.runs.map((run) => {
    const { codec, level, chunkSize, threads } = run.settings;
    return [
      run.role === 'neighbour' ? '' : run.role,
      codec,
      codec === 'none' ? '-' : level,
      formatSize(chunkSize).replace('.0 ', ' '),
      `${threads.compress}/${threads.decompress}`,
      run.predicted.toFixed(2),
      run.measured.toFixed(2),
      signed(differenceOf(run)),
      run.runs.length,
    ];
  });
  const prose = verifiedLines(result, verification).map((line) => paragraph(line, width));
  return [...prose, textTable(head, rows, [0, 1], width)].join('\n');
}

/** The conditions of the runs, in sentences. */
export function verifiedLines(result: TuneResult, verification: Verification): string[] {
  const { bytes, linkRate, took, runs, placement } = verification;
  const link = linkRate === undefined ? 'without a limit' : `limited to ${formatBits(linkRate)} of payload`;
  const off = median(runs.map((run) => Math.abs(differenceOf(run))));
  return [
    `Verified in ${seconds(took)} (measuring took ${seconds(result.took)}): send and receive over the loopback interface ${link}, ` +
      `${formatSize(bytes)} made of the sample.`,
    placement.kind === 'pinned'
      ? `The sender ran on CPU ${list(placement.sender)} only, the receiver on CPU ${list(placement.receiver)}; so it was predicted.`
      : `Both sides shared this host's ${placement.cpus === 1 ? 'CPU' : `${placement.cpus} CPUs`} (${placement.why}); so it was predicted.`,
    `Predictions were off by ${Math.round(off * 100)} % (median).`,
  ];
}

/** A share with its sign: `+3 %`. */
export function signed(share: number): string {
  const rounded = Math.round(share * 100);
  return `${rounded > 0 ? '+' : ''}${rounded} %`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1e3).toFixed(1)} s`;
}

function list(cpus: readonly number[]): string {
  return cpus.join(', ');
}
