// Turns errors of system calls into RamferryErrors.
// Takes any value that a system call threw, and promises a stable code and a readable text.

import { getSystemErrorMap } from 'node:util';
import { RamferryError, toRamferryError, type ErrorCode } from '../errors.js';

/** The system's error name, such as `ENOENT`; undefined for other errors. */
export function systemCode(thrown: unknown): string | undefined {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return systemCode(thrown.errors[0]);
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/** The system's error text, such as "no such file or directory". */
export function systemText(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return systemText(thrown.errors[0]);
  if (!(thrown instanceof Error)) return String(thrown);
  const errno: unknown = 'errno' in thrown ? thrown.errno : undefined;
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
  return known?.[1] ?? thrown.message;
}

/** Makes an error as Node.js throws it, for system calls that do not go through Node.js. */
export function systemError(errno: number, call: string): Error {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
  return Object.assign(new Error(`${name}: ${text}, ${call}`), { code: name, errno: -errno });
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The error of an operation whose signal was aborted. */
export function abortError(signal: AbortSignal): RamferryError {
  return toRamferryError(signal.reason, 'ERR_INTERRUPTED');
}

export function closedError(label: string): RamferryError {
  return new RamferryError('ERR_LINK_CLOSED', `${label} was closed on this side`);
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const GONE = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTCONN',
  'ESHUTDOWN',
  'ERR_STREAM_DESTROYED',
]);

function linkCode(thrown: unknown): ErrorCode | undefined {
  const code = systemCode(thrown) ?? '';
  if (GONE.has(code)) return 'ERR_LINK_CLOSED';
  return code === 'ETIMEDOUT' ? 'ERR_LINK_TIMEOUT' : undefined;
}

/** @param other the code of errors that mean neither a closed nor a silent peer */
export function readError(
  label: string,
  thrown: unknown,
  other: ErrorCode = 'ERR_INPUT_READ',
): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  const code = linkCode(thrown) ?? other;
  return new RamferryError(code, `reading from ${label} failed: ${systemText(thrown)}`, { cause: thrown });
}

/** @param other the code of errors that mean neither a closed or silent peer nor a lack of space */
export function writeError(
  label: string,
  thrown: unknown,
  other: ErrorCode = 'ERR_OUTPUT_WRITE',
): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  const name = systemCode(thrown) ?? '';
  if (FULL.has(name)) {
    const what = name === 'ENOSPC' ? 'no space left' : systemText(thrown);
    return new RamferryError('ERR_OUTPUT_FULL', `cannot write to ${label}: ${what}`, {
      hint: 'free some space, raise the limit, or choose another place for the output',
      cause: thrown,
    });
  }
  if (name === 'EPIPE') {
    return new RamferryError('ERR_LINK_CLOSED', `${label} was closed by the reader`, { cause: thrown });
  }
  const code = linkCode(thrown) ?? other;
  return new RamferryError(code, `writing to ${label} failed: ${systemText(thrown)}`, { cause: thrown });
}

export function inputOpenError(label: string, thrown: unknown): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  return new RamferryError('ERR_INPUT_OPEN', `cannot open ${label}: ${systemText(thrown)}`, {
    cause: thrown,
  });
}

export function outputOpenError(label: string, thrown: unknown): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  if (FULL.has(systemCode(thrown) ?? '')) return writeError(label, thrown);
  return new RamferryError('ERR_OUTPUT_OPEN', `cannot create ${label}: ${systemText(thrown)}`, {
    cause: thrown,
  });
}
