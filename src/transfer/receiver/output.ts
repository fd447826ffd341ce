// The receiver's output and the program that reads it, usually a hypervisor. A program that closes its end before it has read
// the whole stream is an output error. A write, the connection's other direction or the wait at the end detects it.
// Wraps an open channel in a sink with these errors.

import { toRamferryError, type RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { closedEarly } from '../../link/listen/taken.js';
import { withDeadline } from '../../os/time/deadline.js';

/** Longest wait for the reader's end. A tcp peer shows only by closing that it has read everything, and may stay open. */
const LAST_READ_MS = 1_000;

/** Turns a connection that the reader closed into ERR_OUTPUT_WRITE, and leaves any other error unchanged. */
export function outputError(label: string, thrown: unknown): RamferryError {
  const error = toRamferryError(thrown);
  // An error without a cause means that this side closed the connection.
  const byPeer = error.code === 'ERR_LINK_CLOSED' && error.cause !== undefined;
  return byPeer ? closedEarly(label, error) : error;
}

/** Wraps a sink so that its errors are those of an output. */
export function outputSink(inner: ByteSink): ByteSink {
  const asOutputError = async (work: Promise<void>): Promise<void> => {
    await work.catch((thrown: unknown) => {
      throw outputError(inner.label, thrown);
    });
  };
  return {
    label: inner.label,
    ...(inner.file === undefined ? {} : { file: inner.file }),
    ...(inner.partial === undefined ? {} : { partial: inner.partial }),
    ...(inner.inert === undefined ? {} : { inert: inner.inert }),
    write: (bytes) => asOutputError(inner.write(bytes)),
    ...(inner.writeAll === undefined
      ? {}
      : { writeAll: (pieces: readonly Uint8Array[]) => asOutputError(inner.writeAll!(pieces)) }),
    queued: () => inner.queued(),
    patience: (milliseconds) => inner.patience?.(milliseconds),
    taken: () => asOutputError(inner.taken?.() ?? Promise.resolve()),
    finish: (totalLength) => asOutputError(inner.finish(totalLength)),
    abort: () => inner.abort(),
  };
}

/**
 * Ends an output after the last byte, and waits until its reader has read everything.
 * @param broken resolves when the reader's own direction ends, with its error if it failed
 * @throws ERR_OUTPUT_WRITE when the reader closed earlier
 */
export async function finishOutput(
  sink: ByteSink,
  bytes: number,
  broken: Promise<RamferryError | undefined> | undefined,
): Promise<void> {
  await sink.taken?.();
  await sink.finish(bytes);
  if (broken === undefined) return;
  const failure = await withDeadline(broken, LAST_READ_MS, () => undefined);
  if (failure !== undefined) throw failure;
}

/**
 * Waits for the end of the reader's own direction.
 * @param relayed resolves when that direction has been relayed to its end, with its error if it failed
 * @returns ERR_OUTPUT_WRITE if the reader closed the connection, else undefined
 */
export async function watchReader(
  reader: ByteSource,
  relayed: Promise<RamferryError | undefined>,
): Promise<RamferryError | undefined> {
  const failure = await relayed;
  const error = failure === undefined ? undefined : outputError(reader.label, failure);
  return error?.code === 'ERR_OUTPUT_WRITE' ? error : undefined;
}
