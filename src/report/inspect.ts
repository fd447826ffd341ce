// What a stream is made of, as text for people. Pure: plain data in, text out.

import type { InspectReport, KindReport } from '../migration/inspect.js';
import { GRAMMAR_ID } from '../grammar/grammar.js';
import { formatSize } from '../units.js';

/** @param verified every chunk was decoded and checked, not only the records */
export function formatInspection(report: InspectReport, verified: boolean): string {
  const { header, pages } = report;
  const grammar = Object.entries(GRAMMAR_ID).find(([, id]) => id === header.grammar)?.[0] ?? header.grammar;
  const lines: [label: string, value: string][] = [
    ['checked', verified ? 'records and decoded contents' : 'records (--verify decodes them too)'],
    ['page grammar of the sender', String(grammar)],
    ['guest side', `${formatSize(report.decodedBytes)} (${report.decodedBytes} bytes)`],
    ['link side', `${formatSize(report.streamBytes)} (${report.streamBytes} bytes)`],
    ['ratio', (report.decodedBytes / report.streamBytes).toFixed(2)],
    [
      'chunks',
      `${report.chunks}, from ${formatSize(report.smallestChunk)} to ${formatSize(report.largestChunk)}, at most ${formatSize(header.maxChunk)}`,
    ],
    ['order', header.window === 1 ? 'in sequence' : `at most ${header.window - 1} places early`],
    ['page store', header.storeBytes === 0 ? 'none' : formatSize(header.storeBytes)],
    [
      'pages',
      `${pages.zero} zero, ${pages.duplicate} duplicate, ${pages.same} same, ${pages.delta} delta, ${pages.literal} literal`,
    ],
    ['skeleton', formatSize(report.skeletonBytes)],
    ...Object.entries(report.codecs).map(([codec, kind]): [string, string] => [
      `codec ${codec}`,
      kindText(kind),
    ]),
  ];
  return lines.map(([label, value]) => `${label}: ${value}`).join('\n');
}

function kindText({ chunks, decoded, encoded }: KindReport): string {
  return `${chunks} chunks, ${formatSize(decoded)} in ${formatSize(encoded)}`;
}
