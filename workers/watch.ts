// What a watched job costs, for the adaptive controller: processor time of the job, of its codec, and of a trial, which
// codes the same bytes once more with another codec or level and throws the result away.

import type { Buffer } from 'node:buffer';

import { CHUNK_HEADER_BYTES } from '../src/chunk/record.js';
import { codecName, type Codec, type CodecName } from '../src/codec/codec.js';
import { WatchedCodec } from '../src/codec/watched.js';
import { threadClock } from '../src/io/thread-clock.js';
import { JOB, TASK } from '../src/slot/job.js';
import type { SlotViews } from '../src/slot/layout.js';
import type { CodecShelf } from './serve.js';

/** A trial's bytes, and free memory for what becomes of them. */
interface TrialRoom {
  readonly source: Uint8Array;
  readonly target: Buffer;
}

export class Watch {
  readonly #shelf: Pick<CodecShelf, 'codec'>;
  readonly #clock = threadClock();
  readonly #codecs = new Map<CodecName, WatchedCodec>();
  #used: WatchedCodec | undefined;

  constructor(shelf: Pick<CodecShelf, 'codec'>) {
    this.#shelf = shelf;
  }

  /** The shelf's codec, watched. */
  codec(name: CodecName): Codec {
    let codec = this.#codecs.get(name);
    if (codec === undefined) {
      codec = new WatchedCodec(this.#shelf.codec(name), this.#clock);
      this.#codecs.set(name, codec);
    }
    this.#used = codec;
    codec.source = undefined;
    return codec;
  }

  /** Does the job and puts beside its results what it cost. */
  async job(slot: SlotViews, work: () => Promise<void>): Promise<void> {
    const { ints } = slot;
    this.#used = undefined;
    const started = this.#clock();
    await work();
    // A codec that works in other threads has its time on the wall instead.
    const own = this.#clock() - started;
    const used = this.#used as WatchedCodec | undefined;
    const called = used?.source !== undefined;
    const job = Math.max(own, called ? used.took : 0);
    ints[JOB.jobCpu] = Math.max(1, job);
    ints[JOB.codecCpu] = ints[JOB.task] === TASK.frame ? job : called ? used.took : 0;
    ints[JOB.trialLength] = ints[JOB.trialCpu] = 0;
    if (ints[JOB.trialCodec] !== 0) await this.#trial(slot, called ? used.source : undefined);
  }

  async #trial(slot: SlotViews, source: Uint8Array | undefined): Promise<void> {
    const { ints } = slot;
    const room = trialRoom(slot, source);
    if (room === undefined || room.source.length === 0) return;
    const codec = new WatchedCodec(this.#shelf.codec(codecName(ints[JOB.trialCodec]!)!), this.#clock);
    let length = 0;
    // A codec that nobody else uses finds its tables cold, and would look half as slow again as it is: its second time counts.
    for (let time = source === undefined ? 0 : 1; time < 2; time++) {
      const result = codec.compress(room.target, room.source, ints[JOB.trialLevel]!);
      length = typeof result === 'number' ? result : await result;
    }
    ints[JOB.trialCpu] = Math.max(1, codec.took);
    ints[JOB.trialLength] = Math.max(0, length);
  }
}

function trialRoom(slot: SlotViews, source: Uint8Array | undefined): TrialRoom | undefined {
  const { ints, input, output } = slot;
  const at = ints[JOB.outputOffset]!;
  const behind = output.subarray(at + ints[JOB.outputLength]!);
  if (ints[JOB.task] === TASK.frame)
    return { source: input.subarray(0, ints[JOB.inputLength]), target: behind };
  if (source !== undefined) return { source, target: behind };
  // Stored: the record has the bytes, and the input has been copied.
  const body = at + CHUNK_HEADER_BYTES;
  return { source: output.subarray(body, body + ints[JOB.plainLength]!), target: input };
}
