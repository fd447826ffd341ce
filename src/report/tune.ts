// The result of `tune` as text for people: first the commands to type, then the reasons, then the alternatives.
// Pure: plain data in, text out, without a newline at the end.

import type { LivePrediction } from '../tune/model/live.js';
import type { Alternative, TuneResult } from '../tune/advice/result.js';
import { formatBits, formatRate, formatSize } from '../units.js';
import { busyLines } from './host-load.js';
import { paragraph, textTable } from './table.js';
import { formatVerified } from './verified.js';

/** @param width most characters in a line, but for commands, which fit 80 columns */
export function formatTune(result: TuneResult, width?: number): string {
  const prose = (line: string): string => paragraph(line, width);
  const lines = [
    prose(aboutTune(result)),
    '',
    ...commandLines(result),
    ...headline(result).map(prose),
    '',
    alternativesTable(result, width),
    ...(result.withheld === undefined ? payLines(result).map(prose) : []),
    prose(memoryLine(result)),
    ...(result.verified === undefined ? [] : ['', formatVerified(result, result.verified, width)]),
  ];
  return lines.join('\n');
}

function commandLines(result: TuneResult): string[] {
  if (result.withheld !== undefined) return [];
  return ['Recommended (HOST is the destination):', ...commandsOf(result).map(wrapped), ''];
}

/** Both commands to paste: of the destination, which begins, and of the source. */
export function commandsOf({ flags, input }: TuneResult): string[] {
  const name = quoted(input.name);
  return [
    `ramferry receive ${flags.receive} tcp-listen:0.0.0.0:4444 arrived.ram`,
    `ramferry send ${flags.send} ${name} tcp:HOST:4444`,
  ];
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command on lines that fit the narrowest terminal, so that it can be pasted. */
function wrapped(command: string): string {
  let line = '';
  const lines: string[] = [];
  for (const word of command.split(/ (?=--|tcp)/)) {
    if (line !== '' && line.length + word.length + 5 > COMMAND_WIDTH) {
      lines.push(`${line} \\`);
      line = `  ${word}`;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((each) => `  ${each}`).join('\n');
}

const COMMAND_WIDTH = 78;

/** The result for scripts. A withheld recommendation is called `fastest` there and has no flags. */
export function tuneFields(result: TuneResult): object {
  if (result.withheld === undefined) return result;
  const fields = Object.entries(result as unknown as Record<string, unknown>);
  const others = fields.filter(([name]) => name !== 'recommended' && name !== 'flags');
  return { ...Object.fromEntries(others), fastest: result.recommended };
}

/** The prediction for the recommended settings, or the reasons why there is no recommendation, in sentences. */
export function headline(result: TuneResult): string[] {
  const { recommended, uncompressed, confidence, withheld, host } = result;
  if (withheld !== undefined) {
    return [
      `No recommendation: ${withheld.join('; ')}.`,
      ...busyLines(host.load),
      `Run it again ${host.load.busy ? 'when the host is quiet, or ' : ''}with a larger --budget. What was measured so far:`,
    ];
  }
  const why = confidence.reasons.length === 0 ? '' : ` (${confidence.reasons.join('; ')})`;
  return [
    `${time(recommended.seconds)} ± ${percent(confidence.error)} predicted${extrapolation(recommended)}, ` +
      `${formatSize(recommended.wireBytes)} on the link (${recommended.ratio.toFixed(2)} : 1), ${cpu(recommended)}; ${waitsFor(recommended)}.`,
    comparison(recommended, uncompressed),
    ...liveLines(result),
    `Confidence: ${confidence.level}${why}.`,
    ...busyLines(host.load),
  ];
}

/** Input, sample, link and hosts of the measurement, in one sentence. */
export function aboutTune(result: TuneResult): string {
  const { input, sample, route } = result;
  const sampled = sample.whole
    ? 'all of it measured'
    : `${sample.regions} regions (${formatSize(sample.bytes)}) measured`;
  const hosts = `${route.sender.cpus} ${route.sender.cpus === 1 ? 'CPU' : 'CPUs'} here, ${route.receiver.cpus} there`;
  return `${formatSize(input.bytes)} (${input.kind}), ${sampled}; ${aboutLink(result)}; ${hosts}.`;
}

/** The link in words. */
export function aboutLink({ bandwidth, probe }: TuneResult): string {
  if (probe !== undefined) {
    const { linkRate, roundTrip, slowness } = probe;
    return (
      `a link measured at ${formatBits(linkRate)} of payload, ${(roundTrip * 1e3).toFixed(1)} ms there and back; ` +
      `decompression there takes ${slowness.toFixed(2)} times as long as here`
    );
  }
  return bandwidth === undefined || bandwidth === 0
    ? 'a link that does not limit'
    : `a link of ${formatBits(bandwidth)}`;
}

function time(seconds: number): string {
  return seconds < 100 ? `${seconds.toFixed(2)} s` : `${Math.round(seconds)} s`;
}

function percent(share: number): string {
  return `${Math.max(1, Math.round(share * 100))} %`;
}

function extrapolation({ extrapolated }: Alternative): string {
  return extrapolated ? ' (for more CPUs than were measured)' : '';
}

function cpu({ senderCpuPerGiB, receiverCpuPerGiB }: Alternative): string {
  return `${senderCpuPerGiB.toFixed(2)} and ${receiverCpuPerGiB.toFixed(2)} CPU seconds per GiB here and there`;
}

const BOTTLENECK_TEXT = {
  compress: 'compression limits',
  send: 'reading and sending limit',
  link: 'the link limits',
  receive: 'receiving and writing limit',
  decompress: 'decompression limits',
} as const;

function waitsFor({ bottleneck }: Alternative): string {
  return BOTTLENECK_TEXT[bottleneck];
}

function comparison(best: Alternative, none: Alternative): string {
  if (best.settings.codec === 'none') return 'Compression does not pay here: leave it off.';
  return `Without compression: ${time(none.seconds)}, ${formatSize(none.wireBytes)}. Compression saves ${percent(1 - best.seconds / none.seconds)} of the time.`;
}

function liveLines({ recommended, dirtyRate, downtimeLimit }: TuneResult): string[] {
  const { live } = recommended;
  if (live === undefined || dirtyRate === undefined) return [];
  const guest = `A guest that dirties ${formatRate(dirtyRate)}`;
  if (!live.converges) {
    return [
      `${guest} does not converge: it dirties as much as arrives (${formatRate(recommended.guestRate)}).`,
    ];
  }
  return [`${guest}, downtime limit ${downtimeLimit!} ms: ${liveText(live)}.`];
}

function liveText({ rounds, total, downtime }: LivePrediction): string {
  return `${rounds!} rounds, ${time(total!)} in all, paused for ${Math.round(downtime! * 1e3)} ms (predicted)`;
}

/** The rows of the table of alternatives with their names. `no compression` is the last row, or the recommended one. */
export function namedAlternatives({
  recommended,
  alternatives,
  uncompressed,
  withheld,
}: TuneResult): { name: string; row: Alternative }[] {
  return [
    { name: withheld === undefined ? 'recommended' : 'fastest', row: recommended },
    ...alternatives.map((row, index) => ({ name: String(index + 1), row })),
    ...(recommended.settings.codec === 'none' ? [] : [{ name: 'no compression', row: uncompressed }]),
  ];
}

function alternativesTable(result: TuneResult, width?: number): string {
  const named = namedAlternatives(result);
  const rows = named.map(({ row }) => row);
  const live = rows.some((row) => row.live !== undefined);
  const head = [
    ...['', 'codec', 'level', 'chunk', 'threads', 'seconds', 'on the link', 'ratio', 'CPU s/GiB', 'limit'],
    ...(live ? ['paused'] : []),
  ];
  const cells = named.map(({ name, row }) => {
    const { codec, level, chunkSize, threads } = row.settings;
    return [
      name,
      codec,
      codec === 'none' ? '-' : level,
      formatSize(chunkSize).replace('.0 ', ' '),
      `${threads.compress}/${threads.decompress}${row.extrapolated ? '*' : ''}`,
      row.seconds.toFixed(2),
      formatSize(row.wireBytes),
      row.ratio.toFixed(2),
      `${row.senderCpuPerGiB.toFixed(2)}/${row.receiverCpuPerGiB.toFixed(2)}`,
      row.bottleneck,
      ...(live ? [paused(row.live)] : []),
    ];
  });
  const note = rows.some(({ extrapolated }) => extrapolated)
    ? '\n* predicted: more threads than could be measured here'
    : '';
  return textTable(head, cells, [0, 1, 9, 10], width) + note;
}

function paused(live: LivePrediction | undefined): string {
  if (live === undefined) return '';
  return live.converges ? `${Math.round(live.downtime! * 1e3)} ms` : 'never ends';
}

function payLines({ paysUpTo }: TuneResult): string[] {
  const parts = Object.entries(paysUpTo).map(([codec, rate]) => {
    if (rate === null) return `${codec} at any bandwidth`;
    return rate === 0 ? `${codec} never` : `${codec} up to ${formatBits(rate)}`;
  });
  return [`Compression pays on links of these bandwidths: ${parts.join(', ')}.`];
}

/** The shares of page kinds in memory, in one sentence. */
export function memoryLine({ memory }: Pick<TuneResult, 'memory'>): string {
  const parts = [
    `${share(memory.zero)} zero pages`,
    `${share(memory.duplicate)} duplicates nearby`,
    ...memory.classes.filter((each) => each.share > 0).map((each) => `${share(each.share)} ${each.label}`),
  ];
  return `Memory: ${parts.join(', ')} (page by page; chunks do better).`;
}

function share(part: number): string {
  return `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
}
