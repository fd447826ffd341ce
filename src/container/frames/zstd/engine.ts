// Streaming zstd decoders: zstd-napi, else the system's libzstd, else node:zlib (Node 22.15 and later), else @mongodb-js/zstd,
// which decodes whole frames only. One engine decodes all frames of a stream, one after the other.

import * as zlib from 'node:zlib';

import type { ZstdFrameHeader } from '../../../codec/zstd-frame.js';
import { RamferryError } from '../../../errors.js';
import { MIB } from '../../../units.js';
import type { Emit } from '../cursor.js';
import { MAX_ZSTD_WINDOW } from '../limits.js';
import { TransformPump, type ZlibTransform } from '../transform-pump.js';
import { noStreamingZstd, zstdFailure, type DecompressionContext, type StreamingZstd } from './binding.js';
import type { ZstdEngine, ZstdEngineName } from './engine-type.js';
import { loadStreamingZstd } from './streaming.js';
import { WholeFrameEngine } from './whole.js';

const OUTPUT_STEP = MIB;
/** The engine's limit is the maximum: zstd/stream.ts checks the frame's window before the engine gets the frame. */
const WINDOW_LOG_MAX = Math.log2(MAX_ZSTD_WINDOW);

/** @param name the engine; absent = the best one that loads @throws ERR_CODEC_UNAVAILABLE */
export function openZstdEngine(name?: ZstdEngineName): ZstdEngine {
  if (name === undefined || name === 'zstd-napi' || name === 'libzstd') {
    const binding = loadStreamingZstd(name);
    if (binding !== undefined) return new StreamingEngine(binding);
  }
  if (name === undefined || name === 'node:zlib') {
    const create = nodeZstd();
    if (create !== undefined) return new NodeEngine(create);
  }
  if (name === undefined || name === '@mongodb-js/zstd') return new WholeFrameEngine();
  throw noStreamingZstd();
}

class StreamingEngine implements ZstdEngine {
  readonly #context: DecompressionContext;
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_STEP);
  #offset = 0;
  #complete = false;

  constructor(binding: StreamingZstd) {
    this.#context = binding.open();
    this.#context.setParameter(binding.windowLogMax, WINDOW_LOG_MAX);
  }

  start(_header: ZstdFrameHeader, offset: number): void {
    this.#offset = offset;
    this.#complete = false;
  }

  block(_maxDecoded: number, offset: number): void {
    this.#offset = offset;
  }

  async push(bytes: Uint8Array, emit: Emit): Promise<void> {
    let used = 0;
    let full = false;
    while (used < bytes.length || (full && !this.#complete)) {
      if (this.#complete) throw this.#disagreement();
      const [pending, produced, consumed] = this.#decompress(bytes.subarray(used));
      used += consumed;
      full = produced === OUTPUT_STEP;
      this.#complete = pending === 0;
      if (produced > 0) await emit(this.#output.subarray(0, produced));
      else if (consumed === 0) break;
    }
    if (used < bytes.length) throw this.#disagreement();
  }

  finish(): Promise<void> {
    return this.#complete ? Promise.resolve() : Promise.reject(this.#disagreement());
  }

  close(): void {
    this.#context.close?.();
  }

  #decompress(bytes: Uint8Array): [number, number, number] {
    try {
      return this.#context.decompressStream(this.#output, bytes);
    } catch (thrown) {
      throw zstdFailure(thrown, this.#offset);
    }
  }

  #disagreement(): RamferryError {
    return new RamferryError(
      'ERR_STREAM_CODEC',
      'a zstd frame is damaged: its blocks and its data disagree',
      {
        offset: this.#offset,
      },
    );
  }
}

/** node:zlib's decoder; undefined where this Node has none. It is newer than the types of this build. */
function nodeZstd(): ((options: object) => ZlibTransform) | undefined {
  const found: unknown = Reflect.get(zlib, 'createZstdDecompress');
  return typeof found === 'function' ? (found as (options: object) => ZlibTransform) : undefined;
}

class NodeEngine implements ZstdEngine {
  readonly #create: (options: object) => ZlibTransform;
  #pump: TransformPump | undefined;
  #offset = 0;

  constructor(create: (options: object) => ZlibTransform) {
    this.#create = create;
  }

  start(_header: ZstdFrameHeader, offset: number): void {
    this.#offset = offset;
    // ZSTD_d_windowLogMax is 100 in zstd.h. Node's constant of that name is newer than the types of this build.
    const params = { 100: WINDOW_LOG_MAX };
    this.#pump = new TransformPump(this.#create({ params, chunkSize: OUTPUT_STEP }));
  }

  block(_maxDecoded: number, offset: number): void {
    this.#offset = offset;
  }

  async push(bytes: Uint8Array, emit: Emit): Promise<void> {
    await this.#run((pump) => pump.push(bytes, emit));
  }

  async finish(emit: Emit): Promise<void> {
    await this.#run((pump) => pump.finish(emit));
    this.close();
  }

  close(): void {
    this.#pump?.close();
    this.#pump = undefined;
  }

  async #run(step: (pump: TransformPump) => Promise<unknown>): Promise<void> {
    try {
      await step(this.#pump!);
    } catch (thrown) {
      if (thrown instanceof RamferryError || !(thrown as NodeJS.ErrnoException).code?.startsWith('Z'))
        throw thrown;
      throw zstdFailure(thrown, this.#offset);
    }
  }
}
