// An output that takes at most so many bytes: a stream may decode to thousands of times its length, and a disk that it
// fills belongs to others too. Passes everything else on to the sink below.

import type { ByteSink, PositionedOutput } from './bytes.js';
import { RamferryError } from '../errors.js';
import { formatSize } from '../units.js';

export class BoundedSink implements ByteSink {
  readonly label: string;
  readonly file?: PositionedOutput;
  readonly #sink: ByteSink;
  readonly #most: number;
  #taken = 0;

  /** @param most bytes; more than 0 */
  constructor(sink: ByteSink, most: number) {
    this.label = sink.label;
    this.#sink = sink;
    this.#most = most;
    if (sink.file !== undefined) this.file = sink.file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#taken += bytes.length;
    if (this.#taken > this.#most) throw beyondMaxSize(this.#most);
    await this.#sink.write(bytes);
  }

  queued(): number {
    return this.#sink.queued();
  }

  patience(milliseconds: number): void {
    this.#sink.patience?.(milliseconds);
  }

  finish(totalLength?: number): Promise<void> {
    return this.#sink.finish(totalLength);
  }

  abort(): Promise<void> {
    return this.#sink.abort();
  }
}

export function beyondMaxSize(most: number): RamferryError {
  return new RamferryError('ERR_STREAM_LIMIT', `the stream decodes to more than ${formatSize(most)}`, {
    hint: 'give a larger --max-size if you trust its sender',
  });
}
