// The engine of a front in both directions: its options, validated once, and the carriers that use them.
// A carrier moves one stream between xenopsd's descriptor and one of the front's; it does not see control lines.

import type { HostThreadsKey } from '../../os/host-threads.js';
import { hostThreadsKey } from '../../os/host-threads.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { chooseCoding } from '../../transfer/plan/coding.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import type { Exact } from '../../options/exact.js';
import { resolveOptions } from '../../options/schema.js';
import type { GivenFor } from '../../options/table.js';
import { planWork } from '../../transfer/plan/plan-transfer.js';
import { layOutPlan, type TransferPlan } from '../../transfer/plan/transfer-plan.js';
import { resolveReceiveOptions, resolveSendOptions } from '../../options/transfer.js';
import { planRestore, type RestorePlan } from '../../transfer/plan/receive-plan.js';
import type { Sender } from '../../transfer/sender/sender.js';
import type { XenguestVersion } from '../../container/xenguest-mark.js';
import { Statistics } from '../../transfer/statistics/statistics.js';

true satisfies Exact<GivenFor<'emu-manager'>, EmuOptions>;

/** The complete settings of both directions. */
export class Engine {
  readonly compressVgpu: boolean;
  readonly hostThreads: HostThreadsKey | undefined;
  readonly #send;
  readonly #receive;
  readonly #coding;

  /** @throws RamferryError ERR_OPTION_INVALID, ERR_CODEC_UNAVAILABLE */
  constructor(options: EmuOptions, onWarning: (text: string) => void) {
    const { hostThreads, compressVgpu, decompressThreads, ...sending } = resolveOptions(
      'emu-manager',
      [],
      options,
    );
    const { memoryLimit, zstdBinding } = sending;
    const ends = { input: '-', output: '-' };
    this.#send = resolveSendOptions({ ...ends, ...sending });
    this.#receive = resolveReceiveOptions({ ...ends, memoryLimit, zstdBinding, decompressThreads });
    const { coding, warnings } = chooseCoding(this.#send);
    this.#coding = coding;
    warnings.forEach(onWarning);
    this.compressVgpu = compressVgpu;
    this.hostThreads = hostThreads === 0 ? undefined : hostThreadsKey(hostThreads);
  }

  get chunkSize(): number {
    return this.#send.chunkSize;
  }

  /** Bytes of the page store of a save's memory stream. */
  get storeBytes(): number {
    return this.#send.xbzrleCacheSize ?? 0;
  }

  /** Version of method `xenguest` of a save's memory stream. */
  get xenguestVersion(): XenguestVersion {
    return this.#send.xenguestVersion ?? 2;
  }

  /** For the log. */
  describe(): Record<string, unknown> {
    const { codec, level, threads } = this.#coding;
    const { chunkSize, memoryLimit, selfCheck } = this.#send;
    const hostThreads = this.hostThreads?.count ?? 0;
    const { storeBytes, xenguestVersion } = this;
    return {
      codec,
      level,
      threads,
      chunkSize,
      memoryLimit,
      storeBytes,
      xenguestVersion,
      selfCheck,
      hostThreads,
    };
  }

  /**
   * The plan of a stream that is saved.
   * @param stream `memory` is xenguest's, in its own records; `vgpu` has no known structure
   */
  plan(stream: 'memory' | 'vgpu'): TransferPlan {
    const { memoryLimit, flushAfter } = this.#send;
    const version = this.xenguestVersion;
    return layOutPlan({
      ...(stream === 'memory'
        ? {
            stream: { kind: 'libxc', grammar: 'libxc', identities: true },
            container: { kind: 'xenguest', version },
            storeBytes: this.storeBytes,
          }
        : { stream: { kind: 'opaque', grammar: 'opaque' }, container: { kind: 'native' } }),
      coding: this.#coding,
      memoryLimit,
      work: { ...planWork(this.#send), hostThreads: this.hostThreads },
      pace: { flushAfter },
    });
  }

  /** How a stream is restored. xenopsd decides how long a stream may stall, and aborts. */
  get restore(): RestorePlan {
    const { memoryLimit, zstdBinding, decompressThreads } = this.#receive;
    const plan = planRestore({ memoryLimit, zstdBinding, decompressThreads });
    return { ...plan, shared: true, hostThreads: this.hostThreads };
  }
}

/** One stream and its transfer. */
export interface Carrier {
  readonly statistics: Statistics;
  /** Begins the transfer; no byte moves before. Safe to call twice. */
  start(): void;
  readonly started: boolean;
  /** Resolves when the kernel has taken every byte up to the stream's end; rejects with the transfer's error. */
  readonly delivered: Promise<void>;
  /** True when the emulator has closed its descriptor: the emulator or emu-manager will report why. */
  readonly emulatorGone: boolean;
  /** Bytes that the emulator has written behind the end of its stream; 0 in a restore. */
  surplus(): number;
  /** Stops at once, drops queued bytes, and closes xenopsd's descriptor and the front's end of the emulator's. */
  drop(reason: RamferryError): void;
}

/** The common interface of Sender and the receivers. */
interface Work {
  run(): Promise<unknown>;
  abort: Sender['abort'];
}

/** A carrier that opens its sender or receiver when it starts. */
export abstract class WorkCarrier implements Carrier {
  readonly statistics = new Statistics();
  readonly delivered: Promise<void>;
  emulatorGone = false;
  #resolve!: () => void;
  #reject!: (reason: RamferryError) => void;
  #work: Work | undefined;
  #dropped: RamferryError | undefined;

  constructor() {
    this.delivered = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A rejection must not count as unhandled before a later caller awaits it.
    this.delivered.catch(() => undefined);
  }

  get started(): boolean {
    return this.#work !== undefined;
  }

  start(): void {
    if (this.#work !== undefined || this.#dropped !== undefined) return;
    try {
      this.#work = this.open();
      this.statistics.setupDone();
      this.#work.run().catch((thrown: unknown) => {
        this.fail(thrown);
      });
    } catch (thrown) {
      this.#work ??= { run: () => Promise.resolve(), abort: () => undefined };
      this.fail(thrown);
    }
  }

  drop(reason: RamferryError): void {
    this.#dropped = reason;
    this.#work?.abort(reason);
    this.giveBack();
    this.#reject(reason);
  }

  surplus(): number {
    return 0;
  }

  /** Opens xenopsd's descriptor and makes the sender or receiver. May throw. */
  protected abstract open(): Work;
  /** Closes the front's end of the emulator's descriptor, and detaches xenopsd's. Safe to call twice. */
  protected abstract giveBack(): void;

  /** Reports that all bytes are delivered; threads may still be ending. */
  protected arrived(): void {
    this.#resolve();
  }

  protected fail(thrown: unknown): void {
    this.#reject(toRamferryError(thrown));
  }
}
