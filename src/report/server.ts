// The status of `ramferry serve` as text for people. Pure: the answer of the control socket in, text out.

import type { ServerStatus } from '../serve/server.js';
import type { KebabKeys } from '../transfer/statistics/kebab-keys.js';
import { formatDuration, formatRate, formatSize } from '../units.js';
import { paragraph, textTable } from './table.js';
import { visible } from './visible.js';

/** The control socket's answer. */
export type ServerAnswer = KebabKeys<ServerStatus>;

/** @param width most characters in a line of a table */
export function formatServer(answer: ServerAnswer, width?: number): string {
  const { state, version, pid, uptime, threads, sockets, transfers, recent } = answer;
  const parts = [
    `ramferry ${version}, process ${pid}, ${state} for ${formatDuration(uptime)}`,
    ...(answer.shards === undefined ? [] : [`processes that carry: ${answer.shards.join(', ')}`]),
    `${threads} threads, memory limit ${formatSize(answer['memory-limit'])}, ` +
      `${answer['max-transfers']} transfers of each direction at once`,
    `${answer.completed} completed, ${answer.failed} failed, ${answer.refused} connections refused`,
  ];
  if (sockets.length > 0) {
    parts.push(paragraph(`sockets of outgoing guests: ${sockets.map(visible).join(', ')}`, width));
  }
  if (transfers.length > 0) parts.push('', runningTable(answer, width));
  if (recent.length > 0) parts.push('', recentTable(answer, width));
  return parts.join('\n');
}

function runningTable({ transfers }: ServerAnswer, width?: number): string {
  return textTable(
    ['transfer', 'guest', 'direction', 'state', 'for', 'guest bytes', 'on the link', 'rate'],
    transfers.map((each) => [
      ...[each.id, visible(each.name), each.direction],
      each.state === 'waiting' ? `waiting, ${each.ahead} ahead` : each.state,
      formatDuration(each.elapsed),
      formatSize(each['guest-bytes']),
      formatSize(each['link-bytes']),
      formatRate(each['guest-rate']),
    ]),
    [1, 2, 3],
    width,
  );
}

function recentTable({ recent }: ServerAnswer, width?: number): string {
  return textTable(
    ['ended', 'guest', 'direction', 'outcome', 'took', 'guest bytes', 'reason'],
    recent.map((each) => [
      ...[each.id, visible(each.name), each.direction, each.status, formatDuration(each.duration)],
      formatSize(each['guest-bytes']),
      each.error === undefined ? '' : visible(`${each.error.code}: ${each.error.message}`.slice(0, 100)),
    ]),
    [1, 2, 3, 6],
    width,
  );
}
