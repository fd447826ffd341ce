// The report of `inspect` on a stream, as text for people. Pure: plain data in, text out.

import type {
  ForeignReport,
  FrameFigures,
  InspectReport,
  KindReport,
  NativeReport,
  Recognised,
  UnitsReport,
  XenReport,
} from '../transfer/inspect/report.js';
import { GRAMMAR_ID } from '../grammar/grammar.js';
import { formatSize } from '../units.js';
import { lines, type Row } from './rows.js';
import { recognisedRows } from './summary.js';

const MORE = ' (--verify decodes the contents)';

/** @param verified the whole stream was decoded and checked, not only its records and headers */
export function formatInspection(report: InspectReport, verified: boolean): string {
  const { decodedBytes, streamBytes } = report;
  return lines([
    ...kind(report),
    ['checked', verified ? 'everything, decoded' : checked(report)],
    ['guest side', decodedBytes === undefined ? 'not told (--verify counts)' : size(decodedBytes)],
    ['link side', size(streamBytes)],
    ['ratio', decodedBytes === undefined ? 'not told' : ratio(decodedBytes, streamBytes)],
    ...details(report),
  ]);
}

function kind(report: InspectReport): Row[] {
  switch (report.container) {
    case 'native':
      return [
        ['stream', 'native'],
        ['page grammar of the sender', grammarName(report)],
      ];
    case 'xen': {
      const { wrapping, compressed, bigEndian } = report;
      const where = wrapping === 'libxc' ? 'libxc' : `libxc in ${wrapping} wrapping`;
      return [
        ['stream', `${where}, ${compressed ? 'page data compressed (method xenguest)' : 'not compressed'}`],
        ['byte order', bigEndian ? 'big-endian' : 'little-endian'],
      ];
    }
    case 'plain':
      return [['stream', `${report.format}, not compressed: what \`send\` would recognise`]];
    case 'frames':
      return [['stream', `${report.format} frames of ramferry (method stream)`]];
    case 'foreign':
      return [
        [
          'stream',
          report.pzstd
            ? 'zstd frames in the layout of pzstd: several threads can decode it'
            : `${Object.keys(report.frames).join(' and ')} frames, of another program: one thread decodes it`,
        ],
        ['end mark', 'none: a transfer of it ends as unverified'],
      ];
  }
}

function checked(report: InspectReport): string {
  switch (report.container) {
    case 'native':
      return `records, order and totals${MORE}`;
    case 'xen':
      return report.compressed
        ? `records, order and totals${MORE}`
        : 'where records begin and end; nothing in the stream proves its contents';
    case 'plain':
      return 'where sections begin and end; nothing in the stream proves its contents';
    case 'frames':
      return `lengths and totals of the frames${MORE}`;
    case 'foreign':
      return 'gzip' in report.frames ? 'everything, decoded' : `headers and blocks of the frames${MORE}`;
  }
}

function details(report: InspectReport): Row[] {
  switch (report.container) {
    case 'native': {
      const { window, storeBytes, maxChunk } = report.header;
      return [
        ...chunks(report, maxChunk),
        ['order', window === 1 ? 'in sequence' : `at most ${window - 1} places early`],
        ...pages(report, storeBytes),
        ...codecs(report),
        ...(report.recognised === undefined ? [] : recognised(report.recognised)),
      ];
    }
    case 'plain':
      return [...recognised(report.recognised), ['skeleton', formatSize(report.recognised.skeletonBytes)]];
    case 'xen':
      return [
        ...(report.compressed
          ? [...chunks(report, report.maxChunk), ...pages(report, report.storeBytes)]
          : []),
        ['untouched', formatSize(report.verbatimBytes)],
        ...codecs(report),
        ...Object.entries(report.records).map(([name, { records, bytes }]): Row => [
          `record ${name}`,
          `${records}, ${formatSize(bytes)}`,
        ]),
        ...(report.cut ? [['end', "the sender's input broke off"] as Row] : []),
      ];
    case 'frames':
      return [...chunks(report, report.maxChunk), ...codecs(report)];
    case 'foreign':
      return frames(report);
  }
}

function recognised(found: Recognised): Row[] {
  return [...recognisedRows(found, found), ['stream end', found.streamEnd]];
}

function chunks(report: NativeReport | XenReport | UnitsReport, maxChunk: number): Row[] {
  const { smallestChunk, largestChunk } = report;
  const range = `from ${formatSize(smallestChunk)} to ${formatSize(largestChunk)}`;
  return [['chunks', `${report.chunks}, ${range}, at most ${formatSize(maxChunk)}`]];
}

function pages({ pages, skeletonBytes }: NativeReport | XenReport, storeBytes: number): Row[] {
  const { zero, duplicate, same, delta, literal } = pages;
  return [
    ['page store', storeBytes === 0 ? 'none' : formatSize(storeBytes)],
    ['pages', `${zero} zero, ${duplicate} duplicate, ${same} same, ${delta} delta, ${literal} literal`],
    ['skeleton', formatSize(skeletonBytes)],
  ];
}

function codecs({ codecs }: NativeReport | XenReport | UnitsReport): Row[] {
  return Object.entries(codecs).map(([codec, { chunks, decoded, encoded }]: [string, KindReport]): Row => [
    `codec ${codec}`,
    `${chunks} chunks, ${formatSize(decoded)} in ${formatSize(encoded)}, ratio ${ratio(decoded, encoded)}`,
  ]);
}

function frames({ frames }: ForeignReport): Row[] {
  return Object.entries(frames).map(([format, figures]: [string, FrameFigures]): Row => {
    const { decoded, encoded, checksums, window, compressedBlocks, storedBlocks } = figures;
    if (format === 'skippable') return ['skippable frames', `${figures.frames}, ${formatSize(encoded)}`];
    const parts = [
      `${figures.frames} in ${formatSize(encoded)}`,
      decoded === undefined
        ? 'decoded size not told'
        : `${formatSize(decoded)} decoded, ratio ${ratio(decoded, encoded)}`,
      `${checksums} with checksum`,
      ...(window > 0 ? [`window ${formatSize(window)}`] : []),
      ...(compressedBlocks + storedBlocks > 0
        ? [`${compressedBlocks} compressed and ${storedBlocks} stored blocks`]
        : []),
    ];
    return [`${format} frames`, parts.join(', ')];
  });
}

function grammarName({ header }: NativeReport): string {
  return Object.entries(GRAMMAR_ID).find(([, id]) => id === header.grammar)?.[0] ?? String(header.grammar);
}

function size(bytes: number): string {
  return `${formatSize(bytes)} (${bytes} bytes)`;
}

function ratio(decoded: number, encoded: number): string {
  return (decoded / encoded).toFixed(2);
}
