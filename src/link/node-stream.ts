// Node.js streams as links, for programs that embed ramferry: a Readable as the source, a Writable as the sink.
// No other code may use the stream meanwhile. Delivers bytes in order with back-pressure. An aborted transfer destroys the
// stream, as `stream.pipeline` does, unless the stream has ended.

import { Buffer } from 'node:buffer';
import type { Readable, Writable } from 'node:stream';
import { RamferryError } from '../errors.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { OperationGuard } from '../io/operation.js';
import { Signal } from '../os/signal.js';
import { closedError, readError, writeError } from '../io/system-error.js';

class StreamSource implements ByteSource {
  readonly label = 'the input stream';
  readonly #stream: Readable;
  readonly #guard: OperationGuard;
  #failure: unknown;
  /** Notified when the stream's state may have changed. */
  readonly #changed = new Signal();

  constructor(stream: Readable, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#guard = new OperationGuard(signal);
    this.#failure = stream.errored ?? undefined;
    stream.on('error', this.#onError);
    for (const event of ['readable', 'end', 'close']) stream.on(event, this.#onEvent);
  }

  readonly #onEvent = (): void => {
    this.#changed.notify();
  };

  readonly #onError = (error: Error): void => {
    this.#failure ??= error;
    this.#changed.notify();
  };

  read(target: Uint8Array): Promise<number> {
    const stream = this.#stream;
    return this.#guard.run(async () => {
      for (;;) {
        if (this.#failure !== undefined) throw readError(this.label, this.#failure);
        // Reads no byte beyond the request: bytes after a migration stream's own end must stay in the Readable.
        const size = Math.min(target.length, stream.readableLength);
        const piece: unknown = stream.read(size > 0 ? size : undefined);
        if (piece !== null) return this.#take(piece, target);
        if (stream.readableEnded) return 0;
        if (stream.destroyed) throw readError(this.label, new Error('it was destroyed before its end'));
        await this.#changed.wait();
      }
    });
  }

  #take(piece: unknown, target: Uint8Array): number {
    if (!(piece instanceof Uint8Array)) {
      throw new RamferryError('ERR_INPUT_READ', `${this.label} does not give bytes`, {
        hint: 'use a stream without encoding and without object mode',
      });
    }
    const bytes = piece.subarray(0, target.length);
    target.set(bytes);
    if (bytes.length < piece.length) this.#stream.unshift(piece.subarray(bytes.length));
    return bytes.length;
  }

  close(): Promise<void> {
    this.#guard.close(closedError(this.label), () => undefined);
    const stream = this.#stream;
    for (const event of ['readable', 'end', 'close']) stream.off(event, this.#onEvent);
    this.#changed.notify();
    if (!stream.readableEnded) stream.destroy();
    return Promise.resolve();
  }
}

class StreamSink implements ByteSink {
  readonly label = 'the output stream';
  readonly #stream: Writable;
  readonly #guard: OperationGuard;

  constructor(stream: Writable, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#guard = new OperationGuard(signal);
    // Each call reports its own failure. Without a listener the 'error' event would end the process.
    stream.on('error', (error: Error) => {
      this.#guard.fail(writeError(this.label, error));
    });
    stream.on('close', () => {
      if (!stream.writableFinished) this.#guard.fail(writeError(this.label, new Error('it was closed')));
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    // Copied: a Transform may keep the bytes after its callback, and the caller reuses the memory.
    const copy = Buffer.from(bytes);
    return this.#call((done) => this.#stream.write(copy, done));
  }

  queued(): number {
    return this.#stream.writableLength;
  }

  finish(): Promise<void> {
    return this.#call((done) => this.#stream.end(done));
  }

  abort(): Promise<void> {
    this.#guard.close(closedError(this.label), () => undefined);
    if (!this.#stream.writableFinished) this.#stream.destroy();
    return Promise.resolve();
  }

  #call(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return this.#guard.run(
      () =>
        new Promise<void>((resolve, reject) => {
          start((error) => {
            if (error) reject(writeError(this.label, error));
            else resolve();
          });
        }),
    );
  }
}

export function readFrom(stream: Readable, signal: AbortSignal | undefined): Channel {
  return { source: new StreamSource(stream, signal), sink: undefined, duplex: false };
}

export function writeTo(stream: Writable, signal: AbortSignal | undefined): Channel {
  return { source: undefined, sink: new StreamSink(stream, signal), duplex: false };
}
