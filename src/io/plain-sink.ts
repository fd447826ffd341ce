// `PlainSink`: base of sinks that only take bytes. They queue nothing, and need no work at the end or after an abort.

import type { ByteSink } from './bytes.js';

export abstract class PlainSink implements ByteSink {
  abstract readonly label: string;

  abstract write(bytes: Uint8Array): Promise<void>;

  queued(): number {
    return 0;
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}

/** Takes all bytes and discards them. */
export class Nowhere extends PlainSink {
  readonly label = 'nowhere';

  write(): Promise<void> {
    return Promise.resolve();
  }
}
