// `receive`: from an address to an address. Recognises the stream, restores its bytes, and reports the result to the sender
// where the link is duplex. Promises a summary, or the error that ended the transfer and no output under its final name.

import { statedSums } from '../container/sums.js';
import type { InletOutcome } from '../container/inlet.js';
import { greetingOf, type ControlWriter } from '../control/writer.js';
import { speaks } from '../control/handshake.js';
import { sender } from '../control/peer-rules.js';
import type { Result } from '../control/negotiation.js';
import { endRelay, standardPartner } from '../control/relay.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { countHanded } from '../io/handed-sink.js';
import { WaitingSource } from '../io/waiting-source.js';
import { type Address, addressOf } from '../link/address.js';
import { openInput, openOutput } from '../link/open.js';
import type { OpenOptions } from '../link/options.js';
import { OUTPUT_ROOM } from '../link/pipe-room.js';
import { checkNotSameFile, separateEnds } from '../link/same-file.js';
import { withDeadline } from '../os/time/deadline.js';
import {
  type ReceiveOptions,
  type ResolvedReceiveOptions,
  resolveReceiveOptions,
} from '../options/transfer.js';
import { listenSettings, type ListenSettings } from './plan/listening.js';
import { openOptions, recognise, warnOfFewer } from './plan/opening.js';
import {
  divideReceiverMemory,
  type ReceiverConversation,
  receiverConversation,
  type ReceiverSettings,
} from './plan/reconnection.js';
import { checkResume, resumeHello } from './plan/resumption.js';
import { tlsSettings } from './plan/tls.js';
import { planReceive, type ReceivePlan } from './plan/receive-plan.js';
import type { ReceiveHosting } from './prestart/hosting.js';
import type { TransferParts } from './prestart/prestart.js';
import { Acknowledged } from './receiver/acknowledged.js';
import { livingHello, LivingReceiver } from './receiver/living.js';
import { openReceiver } from './receiver/open.js';
import { prestart } from './prestart/receiver-prestart.js';
import { type ReaderOutput, readerOutput } from './receiver/leavable-sink.js';
import { finishOutput, watchReader } from './receiver/output.js';
import { introduce, relayBack } from './receiver/way-back.js';
import { reportProgress } from './statistics/progress-timer.js';
import { Statistics } from './statistics/statistics.js';
import type { TransferSummary } from './statistics/summary.js';

/** As `receive` of the public API, with one connection of the hypervisor. */
export async function receive(options: ReceiveOptions): Promise<TransferSummary> {
  const settings = divideReceiverMemory(resolveReceiveOptions(options));
  const input = addressOf(settings.input);
  const output = addressOf(settings.output);
  checkNotSameFile(input, output);
  checkResume(settings, input, output);
  // Too little memory for any stream is an error before a sender connects.
  return new Reception(settings, planReceive(settings), { input, output }).run();
}

/**
 * As {@link receive}, for a sender that has connected to a server (src/serve).
 * @param settings `input` only names the connection
 */
export async function receiveHosted(
  settings: ResolvedReceiveOptions,
  plan: ReceivePlan,
  hosting: ReceiveHosting,
): Promise<TransferSummary> {
  const ends = { input: addressOf(settings.input), output: addressOf(settings.output) };
  return new Reception({ ...settings, window: 0 }, plan, ends, hosting).run();
}

/** One transfer with both its ends: run() once. */
class Reception {
  /** Of the ends and the callbacks; how the stream is restored is in the plan. */
  readonly #settings: ReceiverSettings;
  readonly #plan: ReceivePlan;
  readonly #addresses: { readonly input: Address; readonly output: Address };
  readonly #statistics: Statistics;
  readonly #prestart: TransferParts;
  readonly #hosting: ReceiveHosting | undefined;
  readonly #listening: ListenSettings = {};
  #source: Channel | undefined;
  #sink: Channel | undefined;
  /** What the program behind the output says (QEMU's return path). */
  #reader: ByteSource | undefined;
  #control: ControlWriter | undefined;
  /** Absent on a link in one direction. */
  #living: LivingReceiver | undefined;
  /** Absent before the link is opened. */
  #conversation: ReceiverConversation | undefined;
  readonly #acknowledged = new Acknowledged();
  /** Bytes that a reader may have and act on. */
  #handed = (): number => 0;
  /** Resolves when the reader's direction ends, with what it failed of; absent where that says nothing about the output. */
  #broken: Promise<RamferryError | undefined> | undefined;
  #readerFailed: RamferryError | undefined;

  constructor(
    settings: ReceiverSettings,
    plan: ReceivePlan,
    addresses: { readonly input: Address; readonly output: Address },
    hosting?: ReceiveHosting,
  ) {
    this.#hosting = hosting;
    this.#statistics = hosting?.statistics ?? new Statistics();
    this.#settings = settings;
    this.#plan = plan;
    this.#addresses = addresses;
    if (hosting === undefined)
      this.#listening = listenSettings(settings, [addresses.input, addresses.output]);
    this.#prestart = hosting?.parts ?? prestart(plan, addresses.input);
  }

  async run(): Promise<TransferSummary> {
    try {
      const source = await this.#connect();
      await this.#relayBack();
      const output = readerOutput(this.#sink!.sink!, this.#hosting?.leaving);
      const outcome = await this.#restore(source, output);
      await this.#finish(outcome, output.sink);
      return this.#statistics.summary(outcome.verified ? 'completed' : 'unverified');
    } catch (thrown) {
      throw await this.#giveUp(thrown);
    } finally {
      this.#conversation?.close();
      await this.#prestart.close();
    }
  }

  /** Opens both ends and greets the sender. @returns the source of the stream */
  async #connect(): Promise<ByteSource> {
    const { input, output } = this.#addresses;
    const { passThrough, oneWay } = this.#settings;
    const opening = {
      ...this.#prestart.whileListening(openOptions(this.#settings)),
      ...this.#listening,
      pipeRoom: OUTPUT_ROOM,
      resume: this.#settings.resume,
    };
    if (this.#hosting !== undefined) return this.#connectHosted(this.#hosting, opening);
    const talks = speaks(input, oneWay);
    const away = { ...opening, tls: tlsSettings(this.#settings, input) };
    if (talks) this.#living = new LivingReceiver(input, away);
    const opened = this.#living?.opening ?? away;
    const count = this.#statistics.countBreaks(this.#settings.reconnect);
    const hooks = { count, onSession: this.#living?.onSession };
    const resumable = (this.#conversation = receiverConversation(this.#settings, input, opened, hooks));
    if (output.kind === 'file') this.#sink = await openOutput(output, opening);
    const resumed = this.#resumed();
    const hello = { ...resumable.hello, ...livingHello(resumable.hello, true) };
    const meeting: OpenOptions = {
      ...resumable.opening,
      peer: sender(passThrough, resumable.isOffered, () => this.#prestart.cancelWarmUp()),
      greeting: talks ? () => greetingOf({ ...this.#plan.hello, ...hello, ...resumed }) : undefined,
    };
    this.#source = resumable.upgrade(await openInput(input, meeting));
    const link = new WaitingSource(this.#living?.begin(this.#source) ?? this.#source.source!);
    this.#control = introduce(talks, this.#source, () => ({
      delivered: this.#delivered(),
      waiting: link.waiting,
    }));
    this.#sink ??= await openOutput(output, opening);
    ({ from: this.#source, to: this.#sink } = separateEnds(input, output, this.#source, this.#sink));
    return this.#control === undefined ? this.#source.source! : link;
  }

  /** What the hello says of an output that is continued. */
  #resumed(): ReturnType<typeof resumeHello> {
    const sink = this.#sink?.sink;
    const kept = sink?.partial?.kept.bytes ?? 0;
    if (kept > 0) this.#statistics.recordResumed(kept);
    return resumeHello(sink);
  }

  /** The sender is connected: opens the output. @returns the source of the stream */
  async #connectHosted(hosting: ReceiveHosting, opening: OpenOptions): Promise<ByteSource> {
    const { input, control, door } = hosting;
    this.#source = input;
    this.#control = control;
    const at = this.#addresses.input;
    const living = (this.#living = new LivingReceiver(at, opening));
    const count = this.#statistics.countBreaks(this.#settings.reconnect);
    const hooks = { count, onSession: living.onSession };
    const resumable = (this.#conversation = receiverConversation(this.#settings, at, living.opening, hooks));
    if (door !== undefined) resumable.opening.onDoor?.(door, input.provenName);
    // A sender that has been admitted begins its conversation before its hypervisor begins.
    this.#source = resumable.upgrade(input, true);
    await control.moveTo(this.#source.sink!);
    const link = new WaitingSource(living.begin(this.#source, !resumable.isOffered));
    this.#sink = await openOutput(this.#addresses.output, opening);
    hosting.onConnected?.();
    control.place({ ahead: 0 });
    control.reportProgress(() => ({ delivered: this.#delivered(), waiting: link.waiting }));
    return link;
  }

  #delivered(): number {
    return this.#acknowledged.count(this.#sink?.sink, this.#statistics.guestBytes, this.#handed());
  }

  /** What the program behind the output says goes back to the sender. */
  async #relayBack(): Promise<void> {
    const { input, output } = this.#addresses;
    const own = this.#sink!.source;
    const reader = (await standardPartner(output, input, 'source')) ?? own;
    this.#reader = reader;
    if (reader === undefined) return;
    const relayed = relayBack(reader, this.#source!, this.#control, reader === own);
    // What ends our standard input says nothing about standard output.
    if (reader === own && relayed !== undefined) this.#broken = watchReader(reader, relayed);
  }

  async #restore(source: ByteSource, output: ReaderOutput): Promise<InletOutcome> {
    const { signal, onProgress } = this.#settings;
    this.#prestart.cancelWarmUp();
    const { head, kind } = await recognise(source);
    if (head.length === 0) {
      const nothing = { offset: 0, hint: 'did the sender start?' };
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the input is empty', nothing);
    }
    const { sink, handed } = countHanded(output.sink);
    this.#handed = handed;
    const receiver = openReceiver(
      kind,
      this.#plan,
      { source, head, sink },
      {
        statistics: this.#statistics,
        takeThreads: () => this.#prestart.take(),
        onFewer: warnOfFewer(this.#settings, this.#plan.threads),
        storeMemory: (bytes) => this.#prestart.takeStore(bytes),
      },
    );
    void this.#broken?.then(async (closed) => {
      this.#readerFailed = closed && (await output.left(closed));
      if (this.#readerFailed !== undefined) receiver.abort(this.#readerFailed);
    });
    this.#statistics.setupDone();
    const stopReporting = reportProgress(this.#statistics, onProgress);
    const forget = onAbort(signal, () => receiver.abort(toRamferryError(signal!.reason, 'ERR_INTERRUPTED')));
    try {
      return await receiver.run();
    } finally {
      stopReporting();
      forget();
    }
  }

  /** Ends both ends of a stream that has been delivered, and tells the sender. */
  async #finish({ bytes, verified, sums }: InletOutcome, output: ByteSink): Promise<void> {
    const source = this.#source!;
    // Bytes that a digest of the stream has verified are right, whatever happens to the file.
    if (!verified) source.source!.unchanged?.();
    await finishOutput(output, bytes, this.#addresses.output.kind === 'tcp' ? this.#broken : undefined);
    await this.#reader?.close();
    const result: Result = { ok: true, ...(sums === undefined ? {} : statedSums(sums)), bytes };
    await this.#conclude(result, async () => {
      const written = await this.#control?.result(result);
      const heard = await this.#living?.keep(result);
      if ((heard ?? written) === false) this.#settings.onWarning?.(UNHEARD);
      if (this.#control === undefined) await endRelay(source.sink);
      await source.source!.close();
    });
  }

  /** Tells the sender the result. A server's transfer ends before a sender has heard it whose link is broken. */
  async #conclude(result: Result, tell: () => Promise<void>): Promise<void> {
    const { onKept } = this.#hosting ?? {};
    const { ok } = result;
    this.#living?.offer(result);
    const told = tell();
    if (onKept === undefined) await told;
    else await withDeadline(told, HEARD_MS, () => onKept(told, { ok, bytes: this.#living?.held ?? 0 }));
  }

  /** Closes what is open and tells the sender. @returns what the transfer failed of */
  async #giveUp(thrown: unknown): Promise<RamferryError> {
    const reason: unknown = this.#settings.signal?.reason;
    const error = reason instanceof RamferryError ? reason : (this.#readerFailed ?? toRamferryError(thrown));
    await Promise.all([this.#sink?.sink?.abort(), this.#reader?.close()]);
    const result: Result = { ok: false, bytes: this.#handed(), error: error.toData() };
    await this.#conclude(result, async () => {
      if (this.#control === undefined) await this.#source?.sink?.abort();
      await this.#control?.result(result);
      if (this.#control !== undefined) await this.#living?.keep(result);
      this.#living?.close();
      await this.#source?.source?.close();
    });
    return error;
  }
}

/** How long a server's transfer waits for its sender to hear the result. */
const HEARD_MS = 1_000;

const UNHEARD =
  'everything is delivered, but the link broke before the sender could hear it: the sender reports the outcome as unknown';
