// Counts the bytes of a sink that a reader behind it may have, from the moment at which their write begins.
// Takes any sink, promises the same writes in the same order. An inert sink (ByteSink.inert) hands nothing to anyone.

import type { ByteSink } from './bytes.js';

export interface HandedSink {
  readonly sink: ByteSink;
  /** Bytes that a reader may have and act on. */
  readonly handed: () => number;
}

export function countHanded(inner: ByteSink): HandedSink {
  if (inner.inert === true) return { sink: inner, handed: () => 0 };
  let handed = 0;
  const sink: ByteSink = {
    label: inner.label,
    write: (bytes) => {
      handed += bytes.length;
      return inner.write(bytes);
    },
    ...(inner.writeAll === undefined
      ? {}
      : {
          writeAll: (pieces: readonly Uint8Array[]) => {
            for (const piece of pieces) handed += piece.length;
            return inner.writeAll!(pieces);
          },
        }),
    queued: () => inner.queued(),
    patience: (milliseconds) => inner.patience?.(milliseconds),
    finish: (totalLength) => inner.finish(totalLength),
    abort: () => inner.abort(),
  };
  return { sink, handed: () => handed };
}
