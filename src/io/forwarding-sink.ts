// `ForwardingSink`: forwards all calls to another sink, so that a subclass defines only what it changes. It does not offer `file`,
// `writeAll` and `taken`: such calls would bypass the subclass.

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
