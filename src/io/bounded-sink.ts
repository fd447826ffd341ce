// `BoundedSink`: limits the bytes that another sink takes. A stream may decode to thousands of times its length and fill a shared disk.
// All other calls are forwarded.

import { RamferryError } from '../errors.js';
import { formatSize } from '../units.js';
import type { ByteSink, PartialFile, PositionedOutput } from './bytes.js';
import { ForwardingSink } from './forwarding-sink.js';

export class BoundedSink extends ForwardingSink {
  /** Workers that write extents themselves do not pass this sink: container/native-inlet.ts checks their limit beforehand. */
  readonly file?: PositionedOutput;
  readonly partial?: PartialFile;
  readonly #maxBytes: number;
  #taken = 0;

  /** @param maxBytes more than 0 */
  constructor(inner: ByteSink, maxBytes: number) {
    super(inner);
    this.#maxBytes = maxBytes;
    if (inner.file !== undefined) this.file = inner.file;
    if (inner.partial !== undefined) this.partial = inner.partial;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#taken += bytes.length;
    if (this.#taken > this.#maxBytes) throw beyondMaxSize(this.#maxBytes);
    await this.inner.write(bytes);
  }
}

export function beyondMaxSize(maxBytes: number): RamferryError {
  return new RamferryError('ERR_STREAM_LIMIT', `the stream decodes to more than ${formatSize(maxBytes)}`, {
    hint: 'give a larger --max-size if you trust its sender',
  });
}
