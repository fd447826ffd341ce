// Sources and sinks in memory, and the native sender and receiver between them: real worker threads, no kernel.

import { Buffer } from 'node:buffer';

import type { CodecName } from '../../../src/codec/codec.js';
import { RamferryError } from '../../../src/errors.js';
import type { Grammar } from '../../../src/grammar/grammar.js';
import { RawGrammar } from '../../../src/grammar/raw.js';
import type { ByteSink, ByteSource } from '../../../src/io/bytes.js';
import { layOutPlan } from '../../../src/transfer/plan/transfer-plan.js';
import { openReceiver } from '../../../src/transfer/receiver/open.js';
import type { Receiver } from '../../../src/transfer/receiver/receiver.js';
import { Sender, type SenderCollaborators } from '../../../src/transfer/sender/sender.js';
import { Statistics } from '../../../src/transfer/statistics/statistics.js';
import { MIB } from '../../../src/units.js';

/** A source that gives `bytes` in pieces of at most `piece` bytes; after that the end, or nothing until it is closed. */
export class MemorySource implements ByteSource {
  readonly label = 'memory';
  position = 0;
  closed = false;
  #reject: ((error: Error) => void) | undefined;

  constructor(
    readonly bytes: Uint8Array,
    readonly piece = Infinity,
    readonly end: 'ends' | 'idles' = 'ends',
  ) {}

  async read(target: Uint8Array): Promise<number> {
    await Promise.resolve();
    const length = Math.min(target.length, this.piece, this.bytes.length - this.position);
    if (length === 0 && this.end === 'idles') {
      await new Promise<void>((_resolve, reject) => {
        if (this.closed) reject(closed());
        this.#reject = reject;
      });
    }
    target.set(this.bytes.subarray(this.position, this.position + length));
    this.position += length;
    return length;
  }

  close(): Promise<void> {
    this.closed = true;
    this.#reject?.(closed());
    return Promise.resolve();
  }
}

function closed(): RamferryError {
  return new RamferryError('ERR_LINK_CLOSED', 'memory was closed');
}

export class MemorySink implements ByteSink {
  readonly label = 'memory';
  readonly #parts: Buffer[] = [];
  length = 0;
  aborted = false;
  finished = false;

  /** @param onWrite called before each write, with what came so far; may throw, may take its time */
  constructor(readonly onWrite: (length: number) => void | Promise<void> = () => undefined) {}

  async write(bytes: Uint8Array): Promise<void> {
    await this.onWrite(this.length);
    if (this.aborted) throw closed();
    this.#parts.push(Buffer.from(bytes));
    this.length += bytes.length;
  }

  queued(): number {
    return 0;
  }

  finish(): Promise<void> {
    this.finished = true;
    return Promise.resolve();
  }

  abort(): Promise<void> {
    this.aborted = true;
    return Promise.resolve();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

export interface EncodeOptions {
  readonly grammar?: Grammar;
  readonly codec?: CodecName;
  readonly level?: number;
  readonly chunkSize?: number;
  /** When given, threads do all the work, from the first chunk on. */
  readonly threads?: number;
  readonly chooser?: SenderCollaborators['chooser'];
  readonly deliveryWindow?: SenderCollaborators['deliveryWindow'];
}

export function memorySender(source: ByteSource, sink: ByteSink, options: EncodeOptions = {}): Sender {
  const { grammar = new RawGrammar(), codec = 'zstd', level = 1, chunkSize = 65_536, threads = 1 } = options;
  const plan = layOutPlan({
    stream: { kind: 'raw', grammar: grammar.name },
    coding: { codec, level, chunkSize, threads, codecBytes: 0 },
    container: { kind: 'native' },
    memoryLimit: 1024 * MIB,
    work: { inline: options.threads === undefined },
    pace: { flushAfter: 60_000 },
  });
  const { chooser, deliveryWindow } = options;
  const statistics = new Statistics();
  return new Sender(plan, { source, sink, grammar }, { statistics, chooser, deliveryWindow });
}

/** A whole native stream of these bytes. */
export async function encodeStream(bytes: Uint8Array, options: EncodeOptions = {}): Promise<Buffer> {
  const sink = new MemorySink();
  await memorySender(new MemorySource(bytes), sink, options).run();
  return sink.bytes();
}

export interface DecodeOptions {
  /** When given, threads do all the work, from the first chunk on. */
  readonly threads?: number;
  readonly memoryLimit?: number;
  readonly head?: Uint8Array;
}

export function memoryReceiver(source: ByteSource, sink: ByteSink, options: DecodeOptions = {}): Receiver {
  const ends = { source, sink, head: options.head ?? new Uint8Array(0) };
  const plan = {
    threads: options.threads ?? 1,
    inline: options.threads === undefined,
    memoryLimit: options.memoryLimit ?? 256 * MIB,
    codecBytes: () => 0,
    zstdBinding: '',
    ioTimeout: 0,
    passThrough: false,
  };
  return openReceiver('native', plan, ends, { statistics: new Statistics() });
}

/** What the receiver makes of a stream that comes in pieces of at most `piece` bytes. */
export async function decodeStream(
  stream: Uint8Array,
  options: DecodeOptions & { readonly piece?: number } = {},
): Promise<Buffer> {
  const sink = new MemorySink();
  const { bytes } = await memoryReceiver(new MemorySource(stream, options.piece), sink, options).run();
  const decoded = sink.bytes();
  if (bytes !== decoded.length) throw new Error(`said ${bytes} bytes, delivered ${decoded.length}`);
  return decoded;
}
