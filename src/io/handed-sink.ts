// Counts the bytes of a sink that a reader behind it may have, from the moment at which their write begins.
// Takes any sink, promises the same writes in the same order. An inert sink (ByteSink.inert) hands nothing to a reader.

import type { ByteSink } from './bytes.js';
import { ForwardingSink } from './forwarding-sink.js';

export interface HandedSink {
  readonly sink: ByteSink;
  /** Bytes that a reader may have and act on. */
  readonly handed: () => number;
}

export function countHanded(inner: ByteSink): HandedSink {
  if (inner.inert === true) return { sink: inner, handed: () => 0 };
  const sink = new CountingSink(inner);
  return { sink, handed: () => sink.handed };
}

class CountingSink extends ForwardingSink {
  handed = 0;
  readonly writeAll?: (pieces: readonly Uint8Array[]) => Promise<void>;

  constructor(inner: ByteSink) {
    super(inner);
    if (inner.writeAll === undefined) return;
    this.writeAll = (pieces) => {
      for (const piece of pieces) this.handed += piece.length;
      return inner.writeAll!(pieces);
    };
  }

  write(bytes: Uint8Array): Promise<void> {
    this.handed += bytes.length;
    return this.inner.write(bytes);
  }
}
