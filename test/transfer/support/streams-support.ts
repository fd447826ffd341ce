// What the tests of both methods share: a whole sender and a whole receiver over memory, inputs of every grammar by
// name, and a source that gives its bytes in pieces of any size.

import assert from 'node:assert/strict';

import type { CodecName } from '../../../src/codec/codec.js';
import { bindingInfo } from '../../../src/codec/registry.js';
import type { XenguestVersion } from '../../../src/container/xenguest-mark.js';
import { RamferryError, type ErrorCode } from '../../../src/errors.js';
import { containerOf, Detector, grammarFor, type StreamKind } from '../../../src/grammar/detect.js';
import { unknownXenHead, xenHeadBytes } from '../../../src/grammar/xen/head.js';
import type { XenKind } from '../../../src/grammar/xen/wrapping.js';
import type { ByteSink, ByteSource } from '../../../src/io/bytes.js';
import { PlainSink } from '../../../src/io/plain-sink.js';
import { chooseContainer } from '../../../src/transfer/plan/container.js';
import { layOutPlan } from '../../../src/transfer/plan/transfer-plan.js';
import type { Method } from '../../../src/options/amounts.js';
import { openReceiver } from '../../../src/transfer/receiver/open.js';
import type { Receiver } from '../../../src/transfer/receiver/receiver.js';
import { Sender } from '../../../src/transfer/sender/sender.js';
import { Statistics } from '../../../src/transfer/statistics/statistics.js';
import { KIB, MIB } from '../../../src/units.js';

const MEMORY_LIMIT = 512 * MIB;

/** Gives `bytes` in pieces of at most `piece`; after them the end, or nothing for ever. */
export class PiecewiseSource implements ByteSource {
  readonly label = 'memory';
  /** Bytes that were handed out. */
  given = 0;
  #close: () => void = () => undefined;
  readonly #closed = new Promise<void>((resolve) => (this.#close = resolve));

  constructor(
    private readonly bytes: Uint8Array,
    private readonly piece = Infinity,
    private readonly staysOpen = false,
  ) {}

  async read(target: Uint8Array): Promise<number> {
    const n = Math.min(target.length, this.piece, this.bytes.length - this.given);
    if (n === 0 && this.staysOpen) {
      await this.#closed;
      throw new RamferryError('ERR_LINK_CLOSED', 'closed');
    }
    target.set(this.bytes.subarray(this.given, this.given + n));
    this.given += n;
    return n;
  }

  close(): Promise<void> {
    this.#close();
    return Promise.resolve();
  }
}

/** Keeps what is written. */
export class CollectingSink extends PlainSink {
  readonly label = 'memory';
  readonly #parts: Buffer[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(Buffer.from(bytes));
    return Promise.resolve();
  }
}

export interface PackOptions {
  readonly storeBytes?: number;
  readonly selfCheck?: boolean;
  readonly statistics?: Statistics;
  readonly method?: Method;
  readonly codec?: CodecName;
  readonly level?: number;
  /** When given, threads do all the work, from the first chunk on. */
  readonly threads?: number;
  readonly chunkSize?: number;
  /** Bytes that one read gives at the most. */
  readonly piece?: number;
  /** What the input is; found out when absent. */
  readonly kind?: StreamKind;
  readonly flushAfter?: number;
  /** Default: the newest. */
  readonly xenguestVersion?: XenguestVersion;
  /** The first bytes of the input, where they may be a Xen stream that cannot be followed. */
  readonly head?: Uint8Array;
}

/** What `send` takes a stream for that begins as one of this kind does. */
function followable(kind: StreamKind, head: Uint8Array | undefined): StreamKind {
  if (head === undefined || containerOf(kind) !== 'xen') return kind;
  const xen = kind as XenKind;
  return unknownXenHead(xen, head.subarray(0, xenHeadBytes(xen))) === undefined ? kind : 'opaque';
}

export function detect(bytes: Uint8Array): StreamKind {
  const detector = new Detector();
  detector.feed(bytes);
  return detector.end();
}

/** What `send` makes of these bytes. */
export async function pack(input: Uint8Array, options: PackOptions = {}): Promise<Buffer> {
  const sink = new CollectingSink();
  const source = new PiecewiseSource(input, options.piece);
  await packInto(sink, source, options.kind ?? detect(input), { head: input, ...options });
  return sink.bytes;
}

export async function packInto(
  sink: ByteSink,
  source: ByteSource,
  kind: StreamKind,
  options: PackOptions = {},
): Promise<void> {
  const {
    method = 'xenguest',
    codec = 'zstd',
    level = 1,
    threads = 1,
    chunkSize = 64 * KIB,
    storeBytes = 0,
  } = options;
  const grammar = grammarFor(followable(kind, options.head));
  const plan = layOutPlan({
    stream: { kind, grammar: grammar.name },
    coding: {
      ...{ codec, level, chunkSize, threads },
      codecBytes: bindingInfo(codec).memoryPerThread(level, chunkSize),
    },
    container: chooseContainer({
      ...{ method, codec, grammar: grammar.name, hello: undefined },
      xenguestVersion: options.xenguestVersion,
    }),
    storeBytes,
    memoryLimit: MEMORY_LIMIT,
    work: { selfCheck: options.selfCheck ?? false, inline: options.threads === undefined },
    pace: { flushAfter: options.flushAfter ?? 60_000 },
  });
  const statistics = options.statistics ?? new Statistics();
  const sender = new Sender(plan, { source, sink, grammar }, { statistics });
  await sender.run();
}

export interface UnpackOptions {
  /** When given, threads do all the work, from the first chunk on. */
  readonly threads?: number;
  readonly piece?: number;
  readonly passThrough?: boolean;
  readonly memoryLimit?: number;
}

export interface Unpacked {
  readonly bytes: Buffer;
  readonly verified: boolean;
  /** Bytes of the input that were read. */
  readonly taken: number;
}

/** What `receive` makes of these bytes. */
export async function unpack(input: Uint8Array, options: UnpackOptions = {}): Promise<Unpacked> {
  const sink = new CollectingSink();
  const source = new PiecewiseSource(input, options.piece);
  const { verified, bytes } = await receiving(source, sink, detect(input), options).run();
  const decoded = sink.bytes;
  assert.equal(decoded.length, bytes, 'the outcome tells how many bytes there are');
  return { bytes: decoded, verified, taken: source.given };
}

export function receiving(
  source: ByteSource,
  sink: ByteSink,
  kind: StreamKind,
  options: UnpackOptions = {},
): Receiver {
  const plan = {
    threads: options.threads ?? 1,
    inline: options.threads === undefined,
    memoryLimit: options.memoryLimit ?? MEMORY_LIMIT,
    codecBytes: (chunkSize: number) => bindingInfo('zstd').memoryPerThread(1, chunkSize),
    zstdBinding: '',
    ioTimeout: 0,
    passThrough: options.passThrough ?? false,
  };
  const ends = { source, sink, head: Buffer.alloc(0) };
  return openReceiver(kind, plan, ends, { statistics: new Statistics() });
}

/** The error that ends `work`; fails when nothing does. */
export async function failureOf(work: Promise<unknown>): Promise<RamferryError> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof RamferryError, `expected a RamferryError, got ${String(thrown)}`);
  return thrown;
}

export async function failsWith(work: Promise<unknown>, ...codes: ErrorCode[]): Promise<RamferryError> {
  const error = await failureOf(work);
  assert.ok(codes.includes(error.code), `${error.code}: ${error.describe()}`);
  return error;
}

/** One direction of a link within the process: bytes that were written can be read at once. */
export class MemoryPipe implements ByteSink, ByteSource {
  readonly label = 'memory';
  readonly #queue: Buffer[] = [];
  #ended = false;
  #closed = false;
  #wake: () => void = () => undefined;

  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) this.#queue.push(Buffer.from(bytes));
    this.#wake();
    return Promise.resolve();
  }
  queued(): number {
    return 0;
  }
  finish(): Promise<void> {
    this.#ended = true;
    this.#wake();
    return Promise.resolve();
  }
  abort(): Promise<void> {
    return this.close();
  }
  close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    return Promise.resolve();
  }
  async read(target: Uint8Array): Promise<number> {
    while (this.#queue.length === 0 && !this.#ended && !this.#closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#closed) throw new RamferryError('ERR_LINK_CLOSED', 'closed');
    const first = this.#queue[0];
    if (first === undefined) return 0;
    const n = first.copy(target);
    if (n === first.length) this.#queue.shift();
    else this.#queue[0] = first.subarray(n);
    return n;
  }
}

/** Keeps what is written, and tells when so many bytes have come. */
export class WatchedSink extends CollectingSink {
  #length = 0;
  #waiting: { readonly length: number; readonly done: () => void }[] = [];

  override async write(bytes: Uint8Array): Promise<void> {
    await super.write(bytes);
    this.#length += bytes.length;
    for (const { length, done } of this.#waiting) if (length <= this.#length) done();
    this.#waiting = this.#waiting.filter(({ length }) => length > this.#length);
  }

  /** Resolves when `length` bytes in all have been written. */
  holds(length: number): Promise<void> {
    if (length <= this.#length) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ length, done }));
  }
}
