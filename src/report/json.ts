// Reports for programs: one JSON object a line, with its kind in `message_type`.
// Pure: plain data in, one line out, without its newline. Field names are stable, since scripts depend on them.

import { type ErrorData, failureStatus } from '../errors.js';
import { kebabKeys } from '../transfer/statistics/kebab-keys.js';
import type { Progress, TransferSummary } from '../transfer/statistics/summary.js';

/** `{"message_type":"status", …}`; times in milliseconds, rates in bytes per second; unknown figures are absent. */
export function statusLine(progress: Progress): string {
  const { totalBytes, remainingTime, ratio } = progress;
  return JSON.stringify({
    message_type: 'status',
    elapsed: Math.round(progress.elapsed),
    'guest-bytes': progress.guestBytes,
    'link-bytes': progress.linkBytes,
    ...(totalBytes === undefined ? {} : { 'total-bytes': totalBytes }),
    'guest-rate': Math.round(progress.guestRate),
    'link-rate': Math.round(progress.linkRate),
    ...(ratio === undefined ? {} : { ratio: Number(ratio.toFixed(3)) }),
    ...(remainingTime === undefined ? {} : { 'remaining-time': Math.round(remainingTime) }),
    ...(progress.convergence === undefined ? {} : { convergence: kebabKeys(progress.convergence) }),
  });
}

/** `{"message_type":"summary","status":"completed","ram":{…},…}`: the summary with QEMU's names. */
export function summaryLine(summary: TransferSummary): string {
  return JSON.stringify({ message_type: 'summary', ...kebabKeys(summary) });
}

/**
 * `{"message_type":"error","status":"failed","code":"ERR_…","message":…,"exit_code":…}`, with `hint` and position when
 * known. `status` has the same values as in a summary.
 */
export function errorLine(error: ErrorData, exitCode: number): string {
  return JSON.stringify({
    message_type: 'error',
    status: failureStatus(exitCode),
    ...error,
    exit_code: exitCode,
  });
}

/** `{"message_type":"warning","message":…}` */
export function warningLine(message: string): string {
  return JSON.stringify({ message_type: 'warning', message });
}

/** `{"message_type":"listening","address":…}`; the address has the port that the kernel chose. */
export function listeningLine(address: string): string {
  return JSON.stringify({ message_type: 'listening', address });
}

/** `{"message_type":"metrics","url":…}`: where --metrics-listen answers. */
export function metricsLine(url: string): string {
  return JSON.stringify({ message_type: 'metrics', url });
}
