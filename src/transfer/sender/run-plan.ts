// `runPlan`: carries out the plan of a transfer over an open source and sink. Connects the sender with the receiver's control messages,
// the statistics and the caller's signal. Promises the whole stream at the receiver, or the error to report to the user.

import { checkSums, type StatedSums } from '../../container/sums.js';
import type { ControlReader } from '../../control/channel.js';
import { peerFailure } from '../../control/negotiation.js';
import { type RamferryError, toRamferryError } from '../../errors.js';
import type { Grammar, StreamEnd } from '../../grammar/grammar.js';
import { onAbort } from '../../io/abort-signal.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { withDeadline } from '../../os/time/deadline.js';
import type { GivenThreads } from '../../pool/worker-pool.js';
import type { StoreMemory } from '../../store/shared.js';
import { Chooser } from '../adaptive/chooser.js';
import type { Learned } from '../adaptive/history/prior.js';
import { DeliveryWindow } from '../pace/delivery-window.js';
import { type RoundPosition, SwitchoverPace } from '../pace/switchover-pace.js';
import { warnOfFewer } from '../plan/opening.js';
import type { TransferPlan } from '../plan/transfer-plan.js';
import { ConvergenceWatch } from '../statistics/convergence-watch.js';
import { reportProgress } from '../statistics/progress-timer.js';
import type { Statistics } from '../statistics/statistics.js';
import type { Progress } from '../statistics/summary.js';
import type { LivingSender } from './living.js';
import { outcomeOf } from './outcome.js';
import { Sender } from './sender.js';
import { isStall, unlessStalled } from './stall.js';
import { brokenInput, CONTINUED, refuseIncomplete, streamEnd, unseenWarning } from './stream-end.js';
import { refuseRest, warnOfUnfollowed } from './unfollowed.js';

/** The part of ControlReader that a transfer uses. */
export type ReceiverMessages = Pick<
  ControlReader,
  'acceptSuccessWhen' | 'onDelivered' | 'onWaiting' | 'success' | 'failure' | 'result'
>;

export interface RunEnds {
  readonly source: ByteSource;
  /** Bytes of the source that were read already. */
  readonly head: Uint8Array;
  /** The grammar that the plan names; undefined where the workers read extents of a regular file. */
  readonly grammar: Grammar | undefined;
  readonly sink: ByteSink;
  /** The receiver's control messages; undefined on a one-way link. */
  readonly control: ReceiverMessages | undefined;
  /** Says that this side lives, and asks for an outcome that was not heard. */
  readonly living?: Pick<LivingSender, 'finalWhen' | 'ask' | 'conclude'> | undefined;
}

/** The handover protocol that follows the stream (`ramferry migrate`). */
export interface Handover {
  /** Called when the sink has the whole stream and is still open. The transfer ends when the promise resolves. */
  delivered(): Promise<void>;
  /** Whether the receiver may report success now. */
  mayEnd(): boolean;
}

/** Threads and page store that were prestarted before the peer connected. */
export interface ReadyParts {
  take(): GivenThreads | undefined;
  takeStore: StoreMemory;
}

export interface RunContext {
  readonly statistics: Statistics;
  readonly prestart?: ReadyParts | undefined;
  readonly handover?: Handover | undefined;
  /** Milliseconds without a delivered byte that the receiver's output may take at its end (stall.ts); 0 = no limit. Default 0. */
  readonly stallLimit?: number | undefined;
  /** Called at the end of a successful transfer in adaptive mode. */
  readonly onLearned?: ((learned: Learned) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export function runPlan(plan: TransferPlan, ends: RunEnds, context: RunContext): Promise<void> {
  return new PlanRun(plan, ends, context).run();
}

/** After the link broke, how long the sender waits for the error message of a receiver that failed. */
const FAILURE_MESSAGE_MS = 500;

class PlanRun {
  readonly #plan: TransferPlan;
  readonly #ends: RunEnds;
  readonly #context: RunContext;
  readonly #chooser: Chooser | undefined;
  readonly #deliveryWindow: DeliveryWindow | undefined;
  readonly #convergence: ConvergenceWatch | undefined;
  readonly #switchover: SwitchoverPace | undefined;
  readonly #sender: Sender;
  #streamEnd: StreamEnd | undefined;

  constructor(plan: TransferPlan, ends: RunEnds, context: RunContext) {
    this.#plan = plan;
    this.#ends = ends;
    this.#context = context;
    const { adaptivity, coding, pace, rounds, stream } = plan;
    const { onWarning } = context;
    const before = stream.before?.bytes ?? 0;
    if (stream.length !== undefined) context.statistics.expectBytes(stream.length - before);
    if (before > 0) context.statistics.recordResumed(before);
    this.#chooser = adaptivity && new Chooser(adaptivity);
    this.#deliveryWindow =
      pace.deliveryWindow === undefined
        ? undefined
        : new DeliveryWindow(coding.chunkSize, pace.deliveryWindow);
    this.#convergence = rounds && new ConvergenceWatch({ ...rounds, onWarning });
    this.#switchover =
      pace.switchover === undefined
        ? undefined
        : new SwitchoverPace({
            downtimeLimit: pace.switchover,
            chunkSize: coding.chunkSize,
            position: () => this.#position(),
          });
    this.#sender = this.#openSender();
    ends.living?.finalWhen(() => this.#sender.finalMayHaveLeft);
    this.#listen();
    this.#observe();
  }

  async run(): Promise<void> {
    const { control } = this.#ends;
    const { statistics, signal, onProgress } = this.#context;
    const sender = this.#sender;
    statistics.setupDone();
    // Also without a listener: each progress report judges convergence and may warn.
    const stopReporting = reportProgress(statistics, onProgress ?? (() => undefined));
    const forget = onAbort(signal, () => {
      sender.abort(toRamferryError(signal!.reason, 'ERR_INTERRUPTED'));
    });
    control?.failure().catch((thrown: unknown) => {
      sender.abort(toRamferryError(thrown, 'ERR_LINK_CLOSED'));
    });
    try {
      await this.#carry();
      await this.#ends.living?.conclude();
      if (this.#chooser !== undefined) this.#context.onLearned?.(this.#chooser.learned);
    } finally {
      stopReporting();
      forget();
    }
  }

  /** Sends everything and hears the result; asks for it when the link broke before that. */
  async #carry(): Promise<void> {
    const { control, sink, living } = this.#ends;
    const sender = this.#sender;
    try {
      await sender.run();
      this.#convergence?.end();
      await this.#finish();
    } catch (thrown) {
      const error = await this.#rootCause(thrown);
      // The handover protocol has messages of its own that show how far it has come.
      if (this.#context.handover !== undefined) throw error;
      const outcome = outcomeOf(error, { sender, sink, result: control?.result });
      // A receiver whose output does not end says so on the link that lives: a question brings nothing else.
      const isAsked =
        outcome.code === 'ERR_OUTCOME_UNKNOWN' && control?.result === undefined && !isStall(error);
      const result = isAsked ? await living?.ask() : undefined;
      // From here on it does not ask: closing the link means that it gives up.
      living?.finalWhen(() => false);
      if (result === undefined) throw outcome;
      if (!result.ok) throw outcomeOf(peerFailure(result), { sender, sink, result });
      this.#succeeded(result);
    }
  }

  #openSender(): Sender {
    const { source, grammar } = this.#ends;
    const { statistics, prestart } = this.#context;
    return new Sender(this.#plan, this.#ends, {
      statistics,
      chooser: this.#chooser,
      deliveryWindow: this.#deliveryWindow,
      switchover: this.#switchover,
      rounds: this.#convergence?.rounds,
      takeThreads: () => prestart?.take(),
      storeMemory: (bytes) => prestart?.takeStore(bytes),
      onFewer: warnOfFewer(this.#context, this.#plan.coding.threads),
      onInputEnd: (bytes) => {
        const { before, kind } = this.#plan.stream;
        const isContinued = before !== undefined && kind !== 'raw';
        this.#streamEnd = isContinued ? CONTINUED : streamEnd(grammar, source, bytes);
        statistics.recordStreamEnd(this.#streamEnd);
        refuseIncomplete(this.#streamEnd, source, bytes);
      },
      onInputFailure: (thrown, bytes) =>
        grammar === undefined ? toRamferryError(thrown) : brokenInput(thrown, grammar, source, bytes),
    });
  }

  /** Where the hypervisor stands in its current round. */
  #position(): RoundPosition {
    const { grammar } = this.#ends;
    const view = this.#convergence?.rounds.view();
    const final = grammar?.finalFrom !== Infinity;
    if (view === undefined || view.count <= 1) return { round: 1, left: grammar?.ramLeft, final };
    return { round: view.count, left: undefined, final };
  }

  /** Subscribes to the receiver's control messages. */
  #listen(): void {
    const { control } = this.#ends;
    if (control === undefined) return;
    const window = this.#deliveryWindow;
    const chooser = this.#chooser;
    const { handover, statistics } = this.#context;
    control.acceptSuccessWhen(() => handover?.mayEnd() ?? this.#sender.allMayHaveLeft);
    control.onDelivered((bytes) => (statistics.deliveredBytes = bytes));
    if (window !== undefined) control.onDelivered((bytes) => window.delivered(bytes));
    if (chooser !== undefined) control.onWaiting((waiting) => chooser.heard(waiting));
  }

  #observe(): void {
    const convergence = this.#convergence;
    const { opaqueBecause } = this.#plan.stream;
    this.#context.statistics.observe({
      // The generator of a stream has said how it counts its own rounds.
      ...(convergence === undefined ? {} : { roundCount: () => convergence.rounds.view()?.count }),
      convergence: () => convergence?.look(),
      adaptive: () => this.#chooser?.report(),
      heldBack: () => (this.#switchover === undefined ? undefined : Math.round(this.#switchover.heldBackMs)),
      opaqueBecause: () => opaqueBecause ?? this.#ends.grammar?.opaqueBecause,
      opaqueHint: () => this.#ends.grammar?.hint,
      tally: () => this.#sender.tally,
    });
  }

  /** Called when the sink has the whole stream: hands over, closes the sink, and compares the receiver's sums with the sender's. */
  async #finish(): Promise<void> {
    const { source, sink, control } = this.#ends;
    const { statistics, handover } = this.#context;
    refuseRest(source, statistics.guestBytes + (this.#plan.stream.before?.bytes ?? 0));
    await handover?.delivered();
    const finished = sink.finish();
    // The receiver's result decides. A receiver that has everything may close the link before the sender does, and `finished` rejects.
    if (control === undefined) await finished;
    else finished.catch(() => undefined);
    this.#succeeded(await this.#result());
  }

  async #result(): Promise<StatedSums | undefined> {
    const { control } = this.#ends;
    const { handover, stallLimit = 0 } = this.#context;
    if (control === undefined || handover !== undefined) return control?.success();
    return unlessStalled(control.success(), control, stallLimit);
  }

  /** @param stated what the receiver says that it has; undefined where it says nothing */
  #succeeded(stated: StatedSums | undefined): void {
    const { handover, onWarning } = this.#context;
    warnOfUnfollowed(onWarning, this.#ends.grammar, this.#plan.stream.opaqueBecause, this.#sender.tally);
    // `ramferry incoming` of version 0.1 sends no sums.
    if (stated !== undefined && (handover === undefined || stated.bytes !== undefined))
      checkSums(stated, this.#sender.sums);
    const warning = unseenWarning(this.#streamEnd);
    if (warning !== undefined) onWarning?.(warning);
  }

  /** When the link broke because the receiver failed, returns the receiver's own error, which names the cause. */
  async #rootCause(thrown: unknown): Promise<RamferryError> {
    const { control } = this.#ends;
    const error = toRamferryError(thrown, 'ERR_LINK_CLOSED');
    if (control === undefined || error.code !== 'ERR_LINK_CLOSED') return error;
    // The timer of withDeadline keeps the process alive. Without it the process could exit before the promise settles.
    const reported = control.failure().catch((reason: unknown) => toRamferryError(reason));
    const cause = await withDeadline(reported, FAILURE_MESSAGE_MS, () => error);
    return cause.code === 'ERR_LINK_CLOSED' ? error : cause;
  }
}
