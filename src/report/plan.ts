// The plan of a transfer, as text for people and as JSON (`ramferry send --dry-run`). Pure: plain data in, text out.

import { codingName } from '../transfer/adaptive/candidates.js';
import type { PlannedSend } from '../transfer/plan-send.js';
import { kebabKeys } from '../transfer/statistics/kebab-keys.js';
import type { TransferPlan } from '../transfer/plan/transfer-plan.js';
import { formatRate, formatSize } from '../units.js';
import { lines, milliseconds, type Row } from './rows.js';
import { visible } from './visible.js';

const NARROWER =
  'The receiver has not been asked: it may narrow codec, chunk size, page store and container, and set a delivery window.';

/** Lines of `label: value`. */
export function formatPlan({ plan, receiverMayNarrow }: PlannedSend): string {
  return [
    lines([
      ...streamRows(plan),
      ...codingRows(plan),
      ['container', containerText(plan)],
      ...memoryRows(plan),
      ...paceRows(plan),
      ...plan.warnings.map((text): Row => ['warning', visible(text)]),
    ]),
    ...(receiverMayNarrow ? [NARROWER] : []),
    'Nothing was sent.',
  ].join('\n');
}

function streamRows({ stream }: TransferPlan): Row[] {
  const { kind, length, byExtents, followsEnd, opaqueBecause, grammar } = stream;
  const input = length === undefined ? kind : `${kind}, ${formatSize(length)} in a file`;
  return [
    ['input', input],
    ['read by', byExtents ? 'the compression threads, by extents' : `the main thread, grammar ${grammar}`],
    ...(grammar === 'libxc' ? [['behind END', followsEnd ? 'read on' : 'left alone'] as const] : []),
    ...(opaqueBecause === undefined ? [] : [['not followed because', opaqueBecause] as const]),
  ];
}

function codingRows({ coding, work, adaptivity }: TransferPlan): Row[] {
  const candidates = adaptivity?.candidates ?? [];
  return [
    ['coding', codingName(coding)],
    [
      'adaptive',
      adaptivity === undefined
        ? 'off'
        : `from ${codingName(candidates[0]!)} to ${codingName(candidates.at(-1)!)}`,
    ],
    ['chunks', formatSize(coding.chunkSize)],
    ['compression threads', `${coding.threads}${work.nice === undefined ? '' : `, nice ${work.nice}`}`],
    ...(work.longDistance ? [['matches', 'searched all over a chunk'] as const] : []),
    ...(work.selfCheck ? [['self check', 'on'] as const] : []),
    ...(work.waitThread ? [] : [['no free thread', 'the chunk leaves uncompressed'] as const]),
  ];
}

function containerText({ container }: TransferPlan): string {
  switch (container.kind) {
    case 'native':
      return 'native';
    case 'xenguest':
      return `xenguest, version ${container.version}`;
    case 'frames':
      return `frames of ${container.codec === 'zlib' ? 'gzip' : container.codec}`;
  }
}

function memoryRows({ memory }: TransferPlan): Row[] {
  const { limit, storeBytes, slots, shares } = memory;
  const { process, threads, store } = shares;
  return [
    ['page store', storeBytes === 0 ? 'none' : formatSize(storeBytes)],
    ['slots', String(slots.slots)],
    ['memory', `at most ${formatSize(total(memory))} of ${formatSize(limit)}`],
    ['  process', formatSize(process)],
    ['  threads', formatSize(threads)],
    ['  slots', formatSize(shares.slots)],
    ['  page store', formatSize(store)],
  ];
}

function paceRows({ pace }: TransferPlan): Row[] {
  const { flushAfter, maxBandwidth, maxCpu, switchover } = pace;
  return [
    ['flush after', milliseconds(flushAfter)],
    ['bandwidth', maxBandwidth === 0 ? 'no limit' : `at most ${formatRate(maxBandwidth)}`],
    [
      'end of a round',
      switchover === undefined ? 'no limit' : `paced for a downtime limit of ${milliseconds(switchover)}`,
    ],
    ['processor time', maxCpu === undefined ? 'no limit' : `at most ${maxCpu} CPUs`],
  ];
}

function total({ shares }: TransferPlan['memory']): number {
  return shares.process + shares.threads + shares.slots + shares.store;
}

/** One line; amounts in bytes, bytes per second and milliseconds. */
export function planLine({ plan, receiverMayNarrow }: PlannedSend): string {
  const { stream, coding, work, adaptivity, container, memory, pace, warnings } = plan;
  const figures = {
    input: {
      kind: stream.kind,
      grammar: stream.grammar,
      length: stream.length,
      byExtents: stream.byExtents,
      followsEnd: stream.followsEnd,
      opaqueBecause: stream.opaqueBecause,
    },
    coding: {
      codec: coding.codec,
      level: coding.level,
      threads: coding.threads,
      chunkSize: coding.chunkSize,
      adaptive: adaptivity?.candidates.map(codingName),
      longDistance: work.longDistance,
      selfCheck: work.selfCheck,
      waitThread: work.waitThread,
      nice: work.nice,
    },
    container,
    memory: {
      limit: memory.limit,
      total: total(memory),
      ...memory.shares,
      slotCount: memory.slots.slots,
      xbzrleCacheSize: memory.storeBytes,
    },
    pace: {
      flushAfter: pace.flushAfter,
      maxBandwidth: pace.maxBandwidth,
      maxCpu: pace.maxCpu,
      deliveryWindow: pace.deliveryWindow,
      switchover: pace.switchover,
    },
    warnings,
    receiverMayNarrow,
  };
  return JSON.stringify({ message_type: 'plan', ...kebabKeys(figures) });
}
