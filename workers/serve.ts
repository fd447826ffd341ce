// What all workers have in common: the loop over the ring, the outcome of each job, and codecs opened when first needed.
// A job that throws fails its slot; only an error outside a job ends the thread.

import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';

import type { Codec, CodecName } from '../src/codec/codec.js';
import { Reclaimer } from '../src/codec/reclaim.js';
import { bindingInfo, openCodec, type OpenOptions } from '../src/codec/registry.js';
import type { FrameFormat } from '../src/container/frames/record.js';
import type { UnitCoder } from '../src/container/frames/unit.js';
import { HostThreads } from '../src/os/host-threads.js';
import { slotViews, type SlotViews } from '../src/slot/layout.js';
import { jobDone, jobFailed } from '../src/slot/outcome.js';
import { Ring } from '../src/slot/ring.js';
import type { ThreadStartUp, WorkerStartUp } from '../src/slot/start-up.js';

/** Codecs of this thread, each opened when first needed. */
export class CodecCache {
  readonly #options: OpenOptions;
  readonly #codecs = new Map<CodecName, Codec>();
  readonly #units = new Map<FrameFormat, UnitCoder>();
  #returnsBuffers = false;

  constructor(startUp: WorkerStartUp) {
    const { zstdBinding, longDistance: far } = startUp;
    this.#options = { longDistance: far, ...(zstdBinding === '' ? {} : { binding: zstdBinding }) };
  }

  /** Whether a binding that was opened returns buffers of its own (BindingInfo.returnsBuffers). */
  get returnsBuffers(): boolean {
    return this.#returnsBuffers;
  }

  codec(name: CodecName): Codec {
    let codec = this.#codecs.get(name);
    if (codec === undefined) {
      codec = openCodec(name, this.#of(name));
      this.#codecs.set(name, codec);
    }
    return codec;
  }

  /** A transfer has frames of one format, and most transfers none: their modules are loaded when needed. */
  async units(format: FrameFormat): Promise<UnitCoder> {
    let units = this.#units.get(format);
    if (units === undefined) {
      const { openUnits } = await import('../src/container/frames/open-units.js');
      units = openUnits(format, this.#of(format));
      this.#units.set(format, units);
    }
    return units;
  }

  #of(name: CodecName): OpenOptions {
    const options = name === 'zstd' ? this.#options : {};
    this.#returnsBuffers ||= bindingInfo(name, options).returnsBuffers;
    return options;
  }
}

/** Opened with the thread's other modules: a thread that is terminated while it loads native code can end the process. */
const { hostThreads } = workerData as ThreadStartUp;
const host = hostThreads === undefined ? undefined : HostThreads.open(hostThreads);

/** A task that does nothing: its thread has started and loaded its modules. Every program of a ThreadGroup exports it. */
export function started(): void {
  // Deliberately empty.
}

/** Works until the ring is stopped. */
export async function serve(
  startUp: WorkerStartUp,
  cache: CodecCache,
  job: (slot: SlotViews) => Promise<void>,
): Promise<void> {
  const slots = slotViews(startUp.arena, startUp.geometry);
  const ring = new Ring(startUp.ring);
  // On Linux niceness is a property of the thread.
  if (startUp.nice !== undefined) setPriority(startUp.nice);
  const reclaimer = new Reclaimer();
  for (;;) {
    const index = ring.take();
    if (index === undefined) return;
    const slot = slots[index]!;
    const place = host?.take() === true ? host : undefined;
    const started = performance.now();
    let bytes = 0;
    try {
      await job(slot);
      bytes = Math.max(slot.job.inputLength, slot.job.outputLength);
      slot.job.wallMicros = (performance.now() - started) * 1000;
      jobDone(slot);
      place?.give();
      ring.finish(index);
    } catch (thrown) {
      jobFailed(slot, thrown, { sequence: slot.job.sequence });
      place?.give();
      // Wakes the main thread at once, whichever slot it waits for.
      ring.finish();
    }
    if (cache.returnsBuffers) await reclaimer.used(bytes);
  }
}
