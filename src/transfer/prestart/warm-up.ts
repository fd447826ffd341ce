// Warm-up: sends 24 MiB of synthetic pages through the code of the coming transfer. V8 compiles what runs often, and
// needs a good part of a processor second to find that out. After a warm-up the transfer does not pay for it while a guest
// migrates (docs/ARCHITECTURE.md has the figures). The output is discarded.

import { setImmediate as nextTurn } from 'node:timers/promises';

import type { CodecName } from '../../codec/codec.js';
import { QemuGrammar } from '../../grammar/qemu/qemu.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { PlainSink } from '../../io/plain-sink.js';
import { Signal } from '../../os/signal.js';
import type { GivenThreads } from '../../pool/worker-pool.js';
import { layOutPlan } from '../plan/transfer-plan.js';
import { NativeInlet } from '../../container/native-inlet.js';
import { Receiver } from '../receiver/receiver.js';
import { warmUpGuest } from './warm-up-guest.js';
import { Sender } from '../sender/sender.js';
import type { WarmUp } from './prestart.js';
import { Statistics } from '../statistics/statistics.js';
import { KIB, MIB } from '../../units.js';

/** Both are small: memory that is not given back at once counts against the transfer's limit. */
const CHUNK_BYTES = 128 * KIB;
const STORE_BYTES = MIB;
/** After so many bytes V8 compiles little more. */
const WARM_UP_BYTES = 24 * MIB;
/** Upper bounds of the resident memory while the warm-up runs, with its one extra thread (measured at two threads: 132 MB). */
const BASE_MEMORY_BYTES = 96 * MIB;
const MEMORY_BYTES_PER_THREAD = 16 * MIB;
/** The slots of the warm-up are counted in the bounds above. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

export interface WarmUpParts {
  readonly threads: number;
  /** Bytes that the transfer may take. Where they are too few for a warm-up, there is none. */
  readonly memoryLimit: number;
  readonly zstdBinding: string;
}

function fitsMemory({ memoryLimit, threads }: WarmUpParts): boolean {
  return memoryLimit >= BASE_MEMORY_BYTES + (threads + 1) * MEMORY_BYTES_PER_THREAD;
}

export function warmUpSending(parts: WarmUpParts & { readonly codec: CodecName }): WarmUp | undefined {
  if (!fitsMemory(parts)) return undefined;
  return (threads, isCancelled) => makeSender(parts, isCancelled, new DiscardSink(), threads).run();
}

/** The main thread makes the input, too. */
export function warmUpReceiving(parts: WarmUpParts): WarmUp | undefined {
  if (!fitsMemory(parts)) return undefined;
  return async (given, isCancelled) => {
    const pipe = new MemoryPipe();
    const { zstdBinding } = parts;
    const ends = { source: pipe, head: new Uint8Array(0), sink: new DiscardSink() };
    const plan = {
      ...{ threads: threadsOf(parts, given), zstdBinding, memoryLimit: UNLIMITED },
      ...{ codecBytes: () => 0, ioTimeout: 0, passThrough: false },
    };
    const inlet = new NativeInlet({ ...ends, ioTimeout: 0 });
    const receiver = new Receiver(inlet, plan, ends, {
      statistics: new Statistics(),
      takeThreads: () => given,
    });
    const coding = { ...parts, codec: 'zstd' as const };
    const feeding = makeSender(coding, isCancelled, pipe, undefined).run();
    // Where one side fails, the closed pipe ends the other.
    const results = await Promise.allSettled([
      receiver.run().finally(() => pipe.close()),
      feeding.finally(() => pipe.finish()),
    ]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
}

/** Without threads of its own the warm-up starts none: the main thread does the work. */
function threadsOf({ threads }: WarmUpParts, given: GivenThreads | undefined): number {
  return given === undefined ? 0 : threads;
}

function makeSender(
  parts: WarmUpParts & { readonly codec: CodecName },
  isCancelled: () => boolean,
  sink: ByteSink,
  given: GivenThreads | undefined,
): Sender {
  const { codec, zstdBinding } = parts;
  const threads = threadsOf(parts, given);
  const plan = layOutPlan({
    stream: { kind: 'qemu', grammar: 'qemu', identities: true },
    coding: { codec, level: codec === 'none' ? 0 : 1, chunkSize: CHUNK_BYTES, threads, codecBytes: 0 },
    container: { kind: 'native' },
    storeBytes: STORE_BYTES,
    work: { zstdBinding, inline: given === undefined },
    pace: { flushAfter: 1000 },
  });
  const source = new SyntheticSource(warmUpGuest(), isCancelled);
  return new Sender(
    plan,
    { source, grammar: new QemuGrammar(), sink },
    { statistics: new Statistics(), takeThreads: () => given },
  );
}

/** Gives the pieces until they are WARM_UP_BYTES or the warm-up is cancelled. */
class SyntheticSource implements ByteSource {
  readonly label = 'warm-up';
  readonly #pieces: Iterator<Uint8Array, void>;
  readonly #isCancelled: () => boolean;
  #piece: Uint8Array = new Uint8Array(0);
  #left = WARM_UP_BYTES;

  constructor(pieces: Iterator<Uint8Array, void>, isCancelled: () => boolean) {
    this.#pieces = pieces;
    this.#isCancelled = isCancelled;
  }

  async read(target: Uint8Array): Promise<number> {
    // Between two reads the main thread notices a connection.
    await nextTurn();
    let at = 0;
    while (at < target.length) {
      if (this.#left <= 0 || this.#isCancelled()) return at;
      if (this.#piece.length === 0) {
        const next = this.#pieces.next();
        if (next.done === true) return at;
        this.#piece = next.value;
        this.#left -= next.value.length;
      }
      const part = this.#piece.subarray(0, target.length - at);
      target.set(part, at);
      this.#piece = this.#piece.subarray(part.length);
      at += part.length;
    }
    return at;
  }

  close(): Promise<void> {
    this.#left = 0;
    return Promise.resolve();
  }
}

class DiscardSink extends PlainSink {
  readonly label = 'warm-up';

  write(): Promise<void> {
    return nextTurn();
  }
}

/** From a sender to a receiver: a write is done when the reader has it all. */
class MemoryPipe implements ByteSource, ByteSink {
  readonly label = 'warm-up';
  #piece: Uint8Array = new Uint8Array(0);
  #ended = false;
  readonly #changed = new Signal();

  async write(bytes: Uint8Array): Promise<void> {
    this.#piece = bytes;
    this.#changed.notify();
    while (this.#piece.length > 0 && !this.#ended) await this.#changed.wait();
  }

  async read(target: Uint8Array): Promise<number> {
    while (this.#piece.length === 0 && !this.#ended) await this.#changed.wait();
    const part = this.#piece.subarray(0, target.length);
    target.set(part);
    this.#piece = this.#piece.subarray(part.length);
    if (this.#piece.length === 0) this.#changed.notify();
    return part.length;
  }

  queued(): number {
    return this.#piece.length;
  }

  finish(): Promise<void> {
    return this.close();
  }

  abort(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.#ended = true;
    this.#changed.notify();
    return Promise.resolve();
  }
}
