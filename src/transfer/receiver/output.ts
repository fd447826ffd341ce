// The receiver's output and the program behind it, usually a hypervisor. A program that closes before it has read the whole
// stream is an output error. A write, the connection's other direction or the wait at the end detects it.
// Takes an open channel and returns a sink with these errors.

import { toRamferryError, type RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { closedEarly } from '../../link/listen/taken.js';
import { withDeadline } from '../../os/deadline.js';

/** A tcp peer shows only by closing that it has read everything. A peer that stays open is not waited for longer. */
const LAST_READ_MS = 1_000;

/** A connection that the reader broke is ERR_OUTPUT_WRITE; any other error stays. */
export function outputError(label: string, thrown: unknown): RamferryError {
  const error = toRamferryError(thrown);
  // An error without a cause means that this side closed the connection.
  const byPeer = error.code === 'ERR_LINK_CLOSED' && error.cause !== undefined;
  return byPeer ? closedEarly(label, error) : error;
}

/** The sink with the errors of an output. */
export function outputSink(inner: ByteSink): ByteSink {
  const named = async (work: Promise<void>): Promise<void> => {
    await work.catch((thrown: unknown) => {
      throw outputError(inner.label, thrown);
    });
  };
  return {
    label: inner.label,
    ...(inner.file === undefined ? {} : { file: inner.file }),
    ...(inner.inert === undefined ? {} : { inert: inner.inert }),
    write: (bytes) => named(inner.write(bytes)),
    ...(inner.writeAll === undefined
      ? {}
      : { writeAll: (pieces: readonly Uint8Array[]) => named(inner.writeAll!(pieces)) }),
    queued: () => inner.queued(),
    patience: (milliseconds) => inner.patience?.(milliseconds),
    taken: () => named(inner.taken?.() ?? Promise.resolve()),
    finish: (totalLength) => named(inner.finish(totalLength)),
    abort: () => inner.abort(),
  };
}

/**
 * Ends an output after the last byte. Waits until its reader has read everything.
 * @param broken resolves when the reader's own direction ends: with what it failed of, if it did
 * @throws ERR_OUTPUT_WRITE when the reader closed before
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

/** Relays the reader's own direction; `relayed` resolves when that has ended. */
export async function watchReader(
  reader: ByteSource,
  relayed: Promise<RamferryError | undefined>,
): Promise<RamferryError | undefined> {
  const failure = await relayed;
  const error = failure === undefined ? undefined : outputError(reader.label, failure);
  return error?.code === 'ERR_OUTPUT_WRITE' ? error : undefined;
}
