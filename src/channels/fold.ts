// One report over all connections of a transfer: progress while it runs, and its summary. Figures of bytes, pages and chunks are sums; what judges the
// stream is the first connection's. Pure.

import type { CodecCounts } from '../transfer/statistics/counts.js';
import type { ChannelSummary, Progress, TransferSummary } from '../transfer/statistics/summary.js';

/** @param all of each connection, the first one first; not empty */
export function foldProgress(all: readonly Progress[]): Progress {
  const main = all[0]!;
  const sum = (of: (each: Progress) => number): number => all.reduce((total, each) => total + of(each), 0);
  const linkBytes = sum((each) => each.linkBytes);
  const guestBytes = sum((each) => each.guestBytes);
  return {
    ...main,
    guestBytes,
    linkBytes,
    guestRate: sum((each) => each.guestRate),
    linkRate: sum((each) => each.linkRate),
    ratio: linkBytes === 0 ? undefined : guestBytes / linkBytes,
    ...adaptiveOf(all, (each) => each.guestBytes),
  };
}

/** @param all of each connection, in the order of their numbers; not empty */
export function foldSummaries(all: readonly TransferSummary[]): TransferSummary {
  const main = all[0]!;
  const opaque = all.find(({ opaqueBecause }) => opaqueBecause !== undefined);
  const isUnverified = all.some(({ status }) => status === 'unverified');
  return {
    ...main,
    status: isUnverified ? 'unverified' : main.status,
    totalTime: Math.max(...all.map(({ totalTime }) => totalTime)),
    ram: {
      ...main.ram,
      ...added(
        all.map(({ ram }) => ram),
        ADDED_OF_RAM,
      ),
    },
    ...(opaque === undefined ? {} : { opaqueBecause: opaque.opaqueBecause, opaqueHint: opaque.opaqueHint }),
    ...compressionOf(all),
    pages: {
      ...main.pages,
      ...added(
        all.map(({ pages }) => pages),
        Object.keys(main.pages) as (keyof TransferSummary['pages'])[],
      ),
    },
    chunks: {
      ...added(
        all.map(({ chunks }) => chunks),
        ['total', 'stored'],
      ),
      codecs: codecsOf(all),
    },
    ...adaptiveOf(all, (each) => each.ram.total),
    cpuSeconds: Math.max(...all.map(({ cpuSeconds }) => cpuSeconds)),
    peakMemory: Math.max(...all.map(({ peakMemory }) => peakMemory)),
    channels: all.map(channelSummary),
  };
}

const ADDED_OF_RAM = [
  'transferred',
  'remaining',
  'total',
  'duplicate',
  'skipped',
  'normal',
  'normalBytes',
  'mbps',
  'pagesPerSecond',
] as const;

function channelSummary(summary: TransferSummary): ChannelSummary {
  const { ram, streamEnd, pages } = summary;
  const { identified, anonymous } = pages;
  return {
    ...(streamEnd === undefined ? {} : { streamEnd }),
    ...{ transferred: ram.transferred, total: ram.total, normal: ram.normal, duplicate: ram.duplicate },
    ...(identified === undefined ? {} : { identified }),
    ...(anonymous === undefined ? {} : { anonymous }),
  };
}

/** The sums of these fields. A connection without a field adds nothing to its sum. */
function added<Each extends object, Name extends keyof Each>(
  all: readonly Each[],
  names: readonly Name[],
): Record<Name, number> {
  const sum = (name: Name): number =>
    all.reduce((total, each) => total + ((each[name] as number | undefined) ?? 0), 0);
  return Object.fromEntries(names.map((name) => [name, sum(name)])) as Record<Name, number>;
}

function codecsOf(all: readonly TransferSummary[]): TransferSummary['chunks']['codecs'] {
  const codecs: Partial<Record<string, CodecCounts>> = {};
  for (const [name, counts] of all.flatMap(({ chunks }) => Object.entries(chunks.codecs))) {
    codecs[name] = added(
      [codecs[name] ?? { chunks: 0, decoded: 0, encoded: 0 }, counts],
      ['chunks', 'decoded', 'encoded'],
    );
  }
  return codecs;
}

function compressionOf(all: readonly TransferSummary[]): Pick<TransferSummary, 'compression'> {
  const parts = all.flatMap(({ compression }) => compression ?? []);
  if (parts.length === 0) return {};
  const sums = added(parts, ['pages', 'busy', 'compressedSize']);
  const before = parts.reduce(
    (total, { compressedSize, compressionRate }) => total + compressedSize * compressionRate,
    0,
  );
  const chunks = all.reduce((total, each) => total + each.chunks.total, 0);
  return {
    compression: {
      ...sums,
      busyRate: Math.round((sums.busy / chunks) * 1000) / 1000,
      compressionRate: Math.round((before / sums.compressedSize) * 1000) / 1000,
    },
  };
}

/** The report of the connection that carried most. */
function adaptiveOf<Each extends Pick<Progress | TransferSummary, 'adaptive'>>(
  all: readonly Each[],
  bytes: (each: Each) => number,
): Pick<TransferSummary, 'adaptive'> {
  const most = all.reduce((best, each) => (bytes(each) > bytes(best) ? each : best));
  return most.adaptive === undefined ? {} : { adaptive: most.adaptive };
}
