// A sink that only takes bytes: nothing waits in it, nothing is to be done at its end, and nothing is left behind when it
// is given up.

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

/** Takes everything and keeps nothing. */
export class Nowhere extends PlainSink {
  readonly label = 'nowhere';

  write(): Promise<void> {
    return Promise.resolve();
  }
}
