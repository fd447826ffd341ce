// A sink in front of another one: hands everything on, so that a subclass states only what it changes. Positioned writes, several
// pieces at once and `taken` are not offered: they would go round the subclass.

import type { ByteSink } from './bytes.js';

export abstract class ForwardingSink implements ByteSink {
  readonly label: string;
  protected readonly inner: ByteSink;

  constructor(inner: ByteSink) {
    this.label = inner.label;
    this.inner = inner;
  }

  abstract write(bytes: Uint8Array): Promise<void>;

  queued(): number {
    return this.inner.queued();
  }

  patience(milliseconds: number): void {
    this.inner.patience?.(milliseconds);
  }

  finish(totalLength?: number): Promise<void> {
    return this.inner.finish(totalLength);
  }

  abort(): Promise<void> {
    return this.inner.abort();
  }
}
