// The engine of a front in both directions: its options, validated once, and the senders and receivers that they describe.
// The front imports this module at run time only when it needs the engine, because the module takes most of ramferry with it.

import { createXenGrammar } from '../../grammar/xen/libxc.js';
import { OpaqueGrammar } from '../../grammar/opaque.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { StreamKind } from '../../grammar/detect.js';
import { openReceiver } from '../../transfer/receiver/open.js';
import type { Receiver, ReceiverEnds, ReceiverExtras } from '../../transfer/receiver/receiver.js';
import type { HostThreadsKey } from '../../os/processor/host-threads.js';
import { hostThreadsKey } from '../../os/processor/host-threads.js';
import { chooseCoding } from '../../transfer/plan/coding.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import type { Exact } from '../../options/exact.js';
import { resolveOptions } from '../../options/schema.js';
import type { GivenFor } from '../../options/table.js';
import { planWork } from '../../transfer/plan/plan-transfer.js';
import { layOutPlan, type TransferPlan } from '../../transfer/plan/transfer-plan.js';
import { resolveReceiveOptions, resolveSendOptions } from '../../options/transfer.js';
import { planRestore, type RestorePlan } from '../../transfer/plan/receive-plan.js';
import { Sender, type SenderCollaborators, type SenderEnds } from '../../transfer/sender/sender.js';
import type { XenguestVersion } from '../../container/xenguest-mark.js';

export type { Carrier } from './carrier.js';

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

  /** The grammar of xenguest's stream. */
  memoryGrammar(): Grammar {
    return createXenGrammar('libxc');
  }

  /** A sender of xenguest's stream, with a memoryGrammar(). */
  memorySender(
    ends: Required<Pick<SenderEnds, 'source' | 'sink' | 'grammar'>>,
    extras: SenderCollaborators,
  ): Sender {
    return new Sender(this.plan('memory'), ends, extras);
  }

  /** A sender of the vGPU's stream. */
  vgpuSender(ends: Pick<SenderEnds, 'source' | 'sink'>, extras: SenderCollaborators): Sender {
    return new Sender(this.plan('vgpu'), { ...ends, grammar: new OpaqueGrammar() }, extras);
  }

  receiver(kind: StreamKind, ends: ReceiverEnds, extras: ReceiverExtras): Receiver {
    return openReceiver(kind, this.restore, ends, extras);
  }
}
