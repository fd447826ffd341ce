// `ChunkDispatcher`: completes the job of each chunk that the feeder has cut, and pushes it to the workers. When no worker is free and
// the plan does not wait, the main thread stores the chunk uncompressed. Chunks enter the pool in stream order, with sequence numbers
// without gaps.

import { encodeChunk } from '../../chunk/encode.js';
import { Planner } from '../../chunk/plan.js';
import type { Outlet } from '../../container/outlet.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { readExtent } from '../../io/file/direct.js';
import { zeroBytes } from '../../page/zero.js';
import type { OrderedPool } from '../../pool/ordered-pool.js';
import { TASK } from '../../slot/job.js';
import type { SlotViews } from '../../slot/layout.js';
import { jobDone } from '../../slot/outcome.js';
import type { TransferPlan } from '../plan/transfer-plan.js';
import type { ChunkWriterSettings } from './chunk-writer.js';
import { CpuGovernor } from './cpu-governor.js';
import type { ChunkTaker } from './feeder.js';
import type { Cut } from './filler.js';
import type { SendingStore } from './sending-store.js';

export interface DispatcherCollaborators {
  readonly ends: { readonly source: ByteSource; readonly grammar: Grammar | undefined };
  readonly outlet: Outlet;
  readonly pool: OrderedPool;
  readonly store: SendingStore | undefined;
  /** Chooses codec and level of each chunk (adaptive mode). */
  readonly chooser: ChunkWriterSettings['chooser'];
}

export class ChunkDispatcher implements ChunkTaker {
  readonly #plan: TransferPlan;
  readonly #with: DispatcherCollaborators;
  readonly #governor: CpuGovernor | undefined;
  #sequence = 0;
  #inlinePlanner: Planner | undefined;

  constructor(plan: TransferPlan, collaborators: DispatcherCollaborators) {
    this.#plan = plan;
    this.#with = collaborators;
    const { maxCpu } = plan.pace;
    this.#governor = maxCpu === undefined ? undefined : new CpuGovernor(maxCpu);
  }

  async take(index: number, cut: Cut): Promise<void> {
    const { ends, outlet, pool, store, chooser } = this.#with;
    const slot = pool.slots[index]!;
    const job = slot.encode;
    const { codec, level } = this.#plan.coding;
    const { selfCheck, waitThread } = this.#plan.work;
    job.endsInImageHeader = cut.header === 'image';
    job.markFollows = cut.header === 'domain';
    job.totalsFollow = cut.header === undefined && cut.totals;
    // Kept in the job: when the slot is written, the grammar may be in another stream of the same input.
    job.bigEndian = ends.grammar?.bigEndian === true;
    const compressed = cut.pageData || (cut.rest === true && outlet.compressesRest !== false);
    job.unstructured = cut.rest === true;
    if (cut.length === 0 || (outlet.regions && !compressed)) {
      job.verbatim = true;
      pool.pushDone(index);
      return;
    }
    if (this.#governor !== undefined) await this.#governor.admit();
    job.task = outlet.task;
    job.outputOffset = outlet.prefix;
    job.segmentCount = cut.segments;
    job.codec = codec;
    job.level = level;
    job.selfCheck = selfCheck;
    chooser?.prepare(job);
    job.sequence = this.#sequence++;
    if (job.inHole && this.#skipsHole(slot)) {
      store?.skip(job.sequence);
      pool.push(index);
      return;
    }
    if (waitThread || outlet.task !== TASK.encode || pool.hasFreeWorker) {
      await store?.enter(slot, cut.runs!);
      pool.push(index);
      return;
    }
    store?.skip(job.sequence);
    await this.#storeInline(slot);
    pool.busy++;
    pool.pushDone(index);
  }

  /**
   * Whether a worker makes the record of a chunk that lies in a hole without its bytes. Not with frames, whose bytes the codec makes, nor
   * with the self-check, which reads the bytes: those get them here, or read the extent.
   */
  #skipsHole(slot: SlotViews): boolean {
    const { encode: job, input } = slot;
    if (job.task === TASK.encode && !job.selfCheck) return true;
    job.inHole = false;
    if (job.readAt < 0) zeroBytes(input, 0, job.inputLength);
    return false;
  }

  /** Encodes the chunk on the main thread, uncompressed: no worker is free, and `compress-wait-thread` is off. */
  async #storeInline(slot: SlotViews): Promise<void> {
    const { encode: job } = slot;
    const { inputLength: length, segmentCount, readAt, sequence, offset } = job;
    if (readAt >= 0) {
      const { fd, alignment } = this.#with.ends.source.file!;
      readExtent(fd, slot.input, length, readAt, alignment);
    }
    this.#inlinePlanner ??= new Planner(this.#plan.coding.chunkSize);
    const { length: recordLength } = await encodeChunk(
      this.#inlinePlanner,
      { front: slot.front, length, segments: slot.segments, segmentCount },
      {
        place: { sequence, needs: 0, offset },
        coding: { codec: undefined, level: 0, storeOnly: true },
      },
      slot.output,
      job.outputOffset,
    );
    job.outputLength = recordLength;
    jobDone(slot);
  }
}
