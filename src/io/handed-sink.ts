// `countHanded`: counts the bytes that the reader behind a sink may have. A byte counts as soon as its write begins.
// Takes any sink and forwards its writes in order. The count of an inert sink (ByteSink.inert) stays 0.

import type { ByteSink } from './bytes.js';
import { ForwardingSink } from './forwarding-sink.js';

export interface HandedSink {
  readonly sink: ByteSink;
  /** Bytes that the reader may have and act on. */
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
