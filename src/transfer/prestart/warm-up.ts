// A transfer of nothing to nobody: some megabytes that look like a guest's, through the same threads and the same code as
// the transfer to come. V8 compiles what runs often, and takes a good part of a processor second to find out; while a guest
// migrates, that part is missing (docs/ARCHITECTURE.md has the figures). Nothing of what comes out is used.

import { setImmediate as turn } from 'node:timers/promises';

import type { CodecName } from '../../codec/codec.js';
import { QemuGrammar } from '../../grammar/qemu/qemu.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { PlainSink } from '../../io/plain-sink.js';
import { ThreadGroup } from '../../pool/thread-group.js';
import type { GivenThreads } from '../../pool/worker-pool.js';
import { COMPRESS_ENTRY } from '../../os/entries.js';
import { layOutPlan } from '../plan/transfer-plan.js';
import { NativeInlet } from '../../container/native-inlet.js';
import { Receiver } from '../receiver/receiver.js';
import { warmUpGuest } from './warm-up-guest.js';
import { Sender } from '../sender/sender.js';
import type { Rehearsal } from './prestart.js';
import { Statistics } from '../statistics/statistics.js';

/** Small, for what it takes: memory that is not given back at once counts against the transfer's limit. */
const CHUNK_BYTES = 128 * 1024;
const STORE_BYTES = 1024 * 1024;
/** After so many bytes little more is compiled. */
const ENOUGH_BYTES = 48 * 1024 * 1024;
/** Resident while it goes on, with its one thread more (132 MB were measured at two threads): upper bounds. */
const MEMORY_BYTES = 96 * 1024 * 1024;
const MEMORY_BYTES_A_THREAD = 16 * 1024 * 1024;
/** Its own slots need no other limit than that. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

export interface Parts {
  readonly threads: number;
  /** Of the transfer. Where it is too small for a rehearsal there is none. */
  readonly memoryLimit: number;
  readonly zstdBinding: string;
  readonly nice?: number | undefined;
}

function hasRoom({ memoryLimit, threads }: Parts): boolean {
  return memoryLimit >= MEMORY_BYTES + (threads + 1) * MEMORY_BYTES_A_THREAD;
}

export function warmUpSending(parts: Parts & { readonly codec: CodecName }): Rehearsal | undefined {
  if (!hasRoom(parts)) return undefined;
  return (crew, over) => sender(parts, over, new Nobody(), crew).run();
}

/** What comes in is made by a thread of its own, which goes home afterwards. */
export function warmUpReceiving(parts: Parts): Rehearsal | undefined {
  if (!hasRoom(parts)) return undefined;
  return async (crew, over) => {
    const conduit = new Conduit();
    const { threads, zstdBinding } = parts;
    const ends = { source: conduit, head: new Uint8Array(0), sink: new Nobody() };
    const plan = {
      ...{ threads, zstdBinding, memoryLimit: UNLIMITED },
      ...{ codecBytes: () => 0, ioTimeout: 0, passThrough: false },
    };
    const inlet = new NativeInlet({ ...ends, ioTimeout: 0 });
    const receiver = new Receiver(inlet, plan, ends, { statistics: new Statistics(), crew: () => crew });
    const helper = new ThreadGroup({ entry: COMPRESS_ENTRY, threads: 1 });
    const helping = { crew: helper, lent: true };
    const feeding = sender({ ...parts, codec: 'zstd', threads: 1 }, over, conduit, helping).run();
    // Whichever fails, the other learns it, and nothing is left behind.
    const results = await Promise.allSettled([
      receiver.run().finally(() => conduit.close()),
      feeding.finally(() => conduit.finish()),
    ]);
    await helper.close();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
}

function sender(
  parts: Parts & { readonly codec: CodecName },
  over: () => boolean,
  sink: ByteSink,
  crew: GivenThreads,
): Sender {
  const { threads, codec, zstdBinding, nice } = parts;
  const plan = layOutPlan({
    stream: { kind: 'qemu', grammar: 'qemu', identities: true },
    coding: { codec, level: codec === 'none' ? 0 : 1, chunkSize: CHUNK_BYTES, threads, codecBytes: 0 },
    container: { kind: 'native' },
    storeBytes: STORE_BYTES,
    work: { zstdBinding, nice },
    pace: { flushAfter: 1000 },
  });
  const source = new Script(warmUpGuest(), over);
  return new Sender(
    plan,
    { source, grammar: new QemuGrammar(), sink },
    { statistics: new Statistics(), takeThreads: () => crew },
  );
}

/** What is read: pieces, until there were enough of them or somebody calls it off. */
class Script implements ByteSource {
  readonly label = 'rehearsal';
  readonly #pieces: Iterator<Uint8Array, void>;
  readonly #over: () => boolean;
  #piece: Uint8Array = new Uint8Array(0);
  #left = ENOUGH_BYTES;

  constructor(pieces: Iterator<Uint8Array, void>, over: () => boolean) {
    this.#pieces = pieces;
    this.#over = over;
  }

  async read(target: Uint8Array): Promise<number> {
    // Whoever connects is heard between any two reads.
    await turn();
    let at = 0;
    while (at < target.length) {
      if (this.#left <= 0 || this.#over()) return at;
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

class Nobody extends PlainSink {
  readonly label = 'rehearsal';

  write(): Promise<void> {
    return turn();
  }
}

/** From a sender to a receiver: a write is done when it has been read. */
class Conduit implements ByteSource, ByteSink {
  readonly label = 'rehearsal';
  #piece: Uint8Array = new Uint8Array(0);
  #ended = false;
  #wake: () => void = () => undefined;

  async write(bytes: Uint8Array): Promise<void> {
    this.#piece = bytes;
    this.#wake();
    while (this.#piece.length > 0 && !this.#ended) await this.#change();
  }

  async read(target: Uint8Array): Promise<number> {
    while (this.#piece.length === 0 && !this.#ended) await this.#change();
    const part = this.#piece.subarray(0, target.length);
    target.set(part);
    this.#piece = this.#piece.subarray(part.length);
    if (this.#piece.length === 0) this.#wake();
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
    this.#wake();
    return Promise.resolve();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
