// Measures a watched job for the adaptive controller: processor time of the job, of its codec, and of a trial. A trial codes
// the same bytes once more with another codec or level and discards the result.

import { Buffer } from 'node:buffer';

import { CHUNK_HEADER_BYTES } from '../chunk/record.js';
import type { Codec, CodecName } from '../codec/codec.js';
import { WatchedCodec } from '../codec/watched.js';
import { threadClock } from '../os/processor/cpu-time.js';
import { STORED_TRIES } from '../slot/encode-job.js';
import { TASK } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { CodecCache } from './codec-cache.js';

export class Watch {
  readonly #cache: Pick<CodecCache, 'codec'>;
  readonly #clock = threadClock();
  readonly #codecs = new Map<CodecName, WatchedCodec>();
  #used: WatchedCodec | undefined;
  /** Takes the output of trials. */
  #target: Buffer | undefined;

  constructor(cache: Pick<CodecCache, 'codec'>) {
    this.#cache = cache;
  }

  /** The thread's codec, watched. */
  codec(name: CodecName): Codec {
    let codec = this.#codecs.get(name);
    if (codec === undefined) {
      codec = new WatchedCodec(this.#cache.codec(name), this.#clock);
      this.#codecs.set(name, codec);
    }
    this.#used = codec;
    codec.source = undefined;
    return codec;
  }

  /** Does the job and adds its cost to the results. */
  async job(slot: SlotViews, work: () => Promise<void>): Promise<void> {
    const result = slot.encode;
    this.#used = undefined;
    const started = this.#clock();
    await work();
    // For a codec that works in other threads wall time counts instead.
    const own = this.#clock() - started;
    const used = this.#used as WatchedCodec | undefined;
    const called = used?.source !== undefined;
    const job = Math.max(own, called ? used.took : 0);
    result.cpuMicros = Math.max(1, job);
    result.codecMicros = result.task === TASK.frame ? job : called ? used.took : 0;
    const { trialCodec } = result;
    if (trialCodec !== undefined) await this.#trial(slot, trialCodec, called ? used.source : undefined);
  }

  async #trial(slot: SlotViews, name: CodecName, coded: Uint8Array | undefined): Promise<void> {
    const { encode: job } = slot;
    const source = coded ?? storedContent(slot);
    if (source.length === 0) return;
    // Not the slot's output area: the first touch of its pages would count as cost of the trial.
    this.#target ??= Buffer.allocUnsafeSlow(slot.input.length);
    const codec = new WatchedCodec(this.#cache.codec(name), this.#clock);
    let length = 0;
    const stored = coded === undefined && job.task !== TASK.frame;
    for (let left = stored ? STORED_TRIES : 1; left > 0; left--) {
      const result = codec.compress(this.#target, source, job.trialLevel);
      length = typeof result === 'number' ? result : await result;
    }
    job.trialMicros = Math.max(1, codec.took);
    job.trialLength = Math.max(0, length);
  }
}

/** The bytes that a codec would have got of a chunk that went without one. */
function storedContent({ encode: job, input, output }: SlotViews): Uint8Array {
  if (job.task === TASK.frame) return input.subarray(0, job.inputLength);
  const body = job.outputOffset + CHUNK_HEADER_BYTES;
  return output.subarray(body, body + job.plainLength);
}
