// What the operating system said, as RamferryErrors.
// Takes whatever a system call threw; promises a code from the table and a text a person understands.
// Knows nothing of the bytes that were being moved.

import { getSystemErrorMap } from 'node:util';
import { RamferryError, toRamferryError, type ErrorCode } from '../errors.js';

/** `ENOENT` and the like; undefined when it was not the system that failed. */
export function systemCode(thrown: unknown): string | undefined {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return systemCode(thrown.errors[0]);
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/** The system's own words: "no such file or directory". */
export function systemText(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return systemText(thrown.errors[0]);
  if (!(thrown instanceof Error)) return String(thrown);
  const errno: unknown = 'errno' in thrown ? thrown.errno : undefined;
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
  return known?.[1] ?? thrown.message;
}

/** An error as Node would have thrown it, for calls that did not go through Node. */
export function systemError(errno: number, call: string): Error {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
  return Object.assign(new Error(`${name}: ${text}, ${call}`), { code: name, errno: -errno });
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Turns the reason of an aborted signal into the error to fail with. */
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

/** @param other the code for anything that is neither a closed nor a silent peer. */
export function readError(
  label: string,
  thrown: unknown,
  other: ErrorCode = 'ERR_INPUT_READ',
): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  const code = linkCode(thrown) ?? other;
  return new RamferryError(code, `reading from ${label} failed: ${systemText(thrown)}`, { cause: thrown });
}

/** @param other the code for anything that is neither a closed or silent peer nor a lack of space. */
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
