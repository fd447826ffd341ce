// Markdown tables of the results of bench/tune/cases.ts. Pure.

import { median } from 'simple-statistics';

/** Rates of the cable. */
export type LinkRate = 'none' | '3gbit' | '1gbit' | '300mbit' | '100mbit' | '30mbit';

export interface CaseResult {
  readonly image: string;
  readonly link: LinkRate;
  readonly mib: number;
  /** Seconds of the command `send`, median of the runs, by settings or by name. */
  readonly seconds: Readonly<Record<string, number>>;
  /** tune's recommendation, and its prediction for each of the settings in its result. */
  readonly choice: string;
  readonly predicted: Readonly<Record<string, number>>;
  readonly tuneSeconds: number;
}

/** Matches contenders that are settings, not options of send or another program. */
const SETTINGS = /^(none|lz4|zlib|zstd) /;

export function printTables(results: readonly CaseResult[]): string {
  const lines = [
    '| case | MiB | best of the sweep | s | chosen | s | over best | predicted | off | none s | others |',
    '| --- | --: | --- | --: | --- | --: | --: | --: | --: | --: | --- |',
  ];
  const over: number[] = [];
  const off: number[] = [];
  const offAll: number[] = [];
  for (const { image, link, mib, seconds, choice, predicted } of results) {
    const settings = Object.entries(seconds).filter(([name]) => SETTINGS.test(name));
    const [bestName, best] = settings.reduce((a, b) => (b[1] < a[1] ? b : a));
    const chosen = seconds[choice]!;
    const expected = predicted[choice]!;
    over.push(chosen / best - 1);
    off.push(Math.abs(expected / chosen - 1));
    for (const [name, value] of settings) {
      if (predicted[name] !== undefined) offAll.push(Math.abs(predicted[name] / value - 1));
    }
    const others = Object.entries(seconds)
      .filter(([name]) => !SETTINGS.test(name))
      .map(([name, value]) => `${name} ${value.toFixed(2)} (${percent(value / best - 1)})`);
    lines.push(
      `| ${image} ${link} | ${mib} | ${bestName} | ${best.toFixed(2)} | ${choice} | ${chosen.toFixed(2)} | ` +
        `${percent(chosen / best - 1)} | ${expected.toFixed(2)} | ${percent(expected / chosen - 1)} | ${seconds['none 1 1MiB']?.toFixed(2) ?? 'ended'} | ${others.join(', ')} |`,
    );
  }
  lines.push(
    '',
    `Choice over best: median ${percent(median(over))}, worst ${percent(Math.max(...over))}. ` +
      `Predicted against measured, chosen: median ${percent(median(off))}, worst ${percent(Math.max(...off))}; ` +
      `all ${offAll.length} settings that were both predicted and run: median ${percent(median(offAll))}.`,
  );
  if (results.length === 1) {
    const [{ seconds, predicted, tuneSeconds }] = results as [CaseResult];
    lines.push(
      '',
      `tune took ${tuneSeconds.toFixed(1)} s`,
      '',
      '| settings | s | predicted |',
      '| --- | --: | --: |',
    );
    for (const [name, value] of Object.entries(seconds).sort((a, b) => a[1] - b[1])) {
      lines.push(`| ${name} | ${value.toFixed(2)} | ${predicted[name]?.toFixed(2) ?? ''} |`);
    }
  }
  return lines.join('\n');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
