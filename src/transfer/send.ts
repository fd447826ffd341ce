// `send`: from an address to an address. Opens both, recognises the input, plans the transfer and runs the plan. Promises a summary,
// or the error that ended the transfer with everything closed and no output left behind.

import type { ControlReader } from '../control/channel.js';
import { speaks } from '../control/handshake.js';
import { hypervisor, receiver } from '../control/peer-rules.js';
import { endRelay, standardPartner } from '../control/relay.js';
import { openReturnPath } from '../control/return-path.js';
import { grammarFor } from '../grammar/detect.js';
import type { Grammar } from '../grammar/grammar.js';
import type { ByteSource, Channel } from '../io/bytes.js';
import { type Address, addressOf } from '../link/address.js';
import { openInput, openOutput } from '../link/open.js';
import { peerOf } from '../link/peer.js';
import type { TlsSettings } from '../link/tls/settings.js';
import { checkNotSameFile, separateEnds } from '../link/same-file.js';
import { wholeWithin } from '../link/watchdog.js';
import { CHUNK_BUFFER_BYTES } from '../link/unsent.js';
import { type ResolvedSendOptions, resolveSendOptions, type SendOptions } from '../options/transfer.js';
import { allowedCpus } from '../os/processor/cpus.js';
import { formatBits } from '../units.js';
import type { CostMemory } from './adaptive/history/history.js';
import type { Learned } from './adaptive/history/prior.js';
import { agreeCoding, chooseCoding, type CodingChoice, type Named, namedOptions } from './plan/coding.js';
import { tlsSettings } from './plan/tls.js';
import { outputFacts } from './plan/ends.js';
import { listenSettings, type ListenSettings } from './plan/listening.js';
import { openOptions } from './plan/opening.js';
import { planTransfer } from './plan/plan-transfer.js';
import { agreedBeginning } from './plan/resumption.js';
import {
  divideMemory,
  type SenderConversation,
  senderConversation,
  type SenderSettings,
} from './plan/reconnection.js';
import { planSenderPrestart } from './plan/prestart-plan.js';
import type { TransferPlan } from './plan/transfer-plan.js';
import type { SendHosting } from './prestart/hosting.js';
import { Prestart, type TransferParts } from './prestart/prestart.js';
import { warmUpSending } from './prestart/warm-up.js';
import { introduce } from './sender/introduce.js';
import { LivingSender } from './sender/living.js';
import { reasonOf } from './sender/outcome.js';
import { inputFacts, recogniseInput } from './sender/recognise-input.js';
import { runPlan } from './sender/run-plan.js';
import { stallLimit } from './sender/stall.js';
import { Statistics } from './statistics/statistics.js';
import type { TransferSummary } from './statistics/summary.js';

/** Bytes per second. A limit below this is probably a number whose unit is missing. */
const SLOW_RATE = 1e6;

/** As `send` of the public API, with one connection of the hypervisor. */
export async function send(options: SendOptions): Promise<TransferSummary> {
  return new Sending(options).run();
}

/** As {@link send}, for a hypervisor that has connected to a server (src/serve). `input` of the options only names the connection. */
export async function sendHosted(options: SendOptions, hosting: SendHosting): Promise<TransferSummary> {
  return new Sending(options, hosting).run();
}

interface SendExtras extends Partial<Pick<SendHosting, 'memory' | 'statistics'>> {
  /** The hypervisor has stopped the guest, before the stream shows that. Default: what the stream shows. */
  readonly isGuestStopped?: () => boolean;
}

/**
 * As {@link send}, with the costs of earlier transfers for adaptive mode, figures that the caller may read meanwhile, or what it knows of
 * the guest.
 */
export async function sendWith(options: SendOptions, extras: SendExtras): Promise<TransferSummary> {
  return new Sending(options, undefined, extras).run();
}

function prestart(settings: ResolvedSendOptions, { coding }: CodingChoice): Prestart {
  const plan = planSenderPrestart(settings, coding);
  // With a niceness threads of their own do the work, and the main thread has nothing to warm up.
  const warmUp = settings.nice === undefined ? warmUpSending({ ...plan, codec: coding.codec }) : undefined;
  return new Prestart({ warmUp });
}

/** One call of `send`. */
class Sending {
  readonly #settings: SenderSettings;
  readonly #named: Named;
  readonly #input: Address;
  readonly #output: Address;
  readonly #statistics: Statistics;
  readonly #prestart: TransferParts;
  readonly #hosting: SendHosting | undefined;
  readonly #memory: CostMemory | undefined;
  readonly #isGuestStopped: () => boolean;
  readonly #tls: TlsSettings | undefined;
  readonly #listening: ListenSettings = {};
  readonly #warned = new Set<string>();
  #grammar: Grammar | undefined;
  #living: LivingSender | undefined;
  /** Absent before the link is opened. */
  #conversation: SenderConversation | undefined;

  constructor(options: SendOptions, hosting?: SendHosting, extras: SendExtras = hosting ?? {}) {
    this.#hosting = hosting;
    this.#memory = extras.memory;
    this.#isGuestStopped = extras.isGuestStopped ?? (() => false);
    this.#statistics = extras.statistics ?? new Statistics();
    this.#settings = divideMemory(resolveSendOptions(options));
    this.#named = namedOptions(options);
    // Checked before anything is opened; the receiver may narrow it later.
    const asked = chooseCoding(this.#settings);
    this.#warn(asked);
    this.#warnOfSlowRate();
    this.#input = addressOf(this.#settings.input);
    this.#output = addressOf(this.#settings.output);
    checkNotSameFile(this.#input, this.#output);
    this.#tls = tlsSettings(this.#settings, this.#output);
    if (hosting === undefined) this.#listening = listenSettings(this.#settings, [this.#input, this.#output]);
    this.#prestart = hosting?.parts ?? prestart(this.#settings, asked);
  }

  async run(): Promise<TransferSummary> {
    const { maxBandwidth, oneWay, signal } = this.#settings;
    const opening = this.#prestart.whileListening({
      ...openOptions(this.#settings),
      ...this.#listening,
    });
    let source: Channel | undefined;
    let sink: Channel | undefined;
    try {
      const talks = speaks(this.#output, oneWay);
      const linkOpening = {
        ...opening,
        ...(maxBandwidth === 0 ? {} : { maxBandwidth }),
        sendBuffer: CHUNK_BUFFER_BYTES,
        peer: talks ? receiver() : undefined,
        tls: this.#tls,
        rateBudget: this.#hosting?.rateBudget,
      };
      if (talks) this.#living = new LivingSender(this.#output, linkOpening);
      this.#conversation = senderConversation(
        this.#settings,
        this.#output,
        this.#living?.opening ?? linkOpening,
        {
          isGuestStopped: () =>
            this.#isGuestStopped() || (this.#grammar !== undefined && this.#grammar.finalFrom !== Infinity),
          count: this.#statistics.countBreaks(this.#settings.reconnect),
          onSession: (session, id) => this.#living?.carriedBy(session, id),
        },
      );
      const away = this.#conversation.opening;
      // A file output tells at once when it must not be made; anything else only when there is something to send.
      if (this.#output.kind === 'file') sink = await openOutput(this.#output, away);
      source = this.#hosting?.input ?? (await openInput(this.#input, { ...opening, peer: hypervisor() }));
      sink ??= await openOutput(this.#output, away);
      const { from, to } = separateEnds(this.#input, this.#output, source, sink);
      await this.#transfer(from, to);
      await source.source!.close();
      return this.#statistics.summary('completed');
    } catch (thrown) {
      await this.#living?.abandon();
      await Promise.all([source?.source?.close(), sink?.sink?.abort()]);
      throw reasonOf(thrown, signal);
    } finally {
      this.#conversation?.close();
      this.#living?.close();
      await this.#prestart.close();
    }
  }

  async #transfer(from: Channel, to: Channel): Promise<void> {
    this.#prestart.cancelWarmUp();
    // `xl migrate -s` talks over two sockets: the return path of stdin is stdout.
    const writer = (await standardPartner(this.#input, this.#output, 'sink')) ?? from.sink;
    const control = openReturnPath(speaks(this.#output, this.#settings.oneWay), writer, to.source);
    try {
      await this.#planAndRun(from.source!, to, control);
    } finally {
      // One-way, what still flows back is relayed to its own end.
      if (control !== undefined || to.source === undefined) {
        await Promise.all([endRelay(writer), to.source?.close()]);
      }
    }
  }

  async #planAndRun(source: ByteSource, to: Channel, control: ControlReader | undefined): Promise<void> {
    const settings = this.#settings;
    const named = this.#named;
    const greeting = `no whole greeting came from ${to.source?.label ?? ''}`;
    const hello = control && (await wholeWithin(control.hello(), settings.ioTimeout, greeting));
    // Two sides that have nothing in common fail before the hypervisor has begun.
    this.#warn(agreeCoding(settings, named, hello));
    if (hello !== undefined) {
      const { transfer, channel } = this.#hosting?.channel ?? {};
      await introduce(
        { name: settings.name, transfer, channel },
        { hello, control: control!, sink: to.sink!, onWarning: settings.onWarning },
      );
      await Promise.race([this.#conversation!.begin(), control!.failure()]);
    }
    const sink = hello === undefined ? to.sink! : this.#living!.begin(to, hello, control!);
    // The hypervisor may take its time, before the first byte and between rounds.
    source.patience?.(0);
    const recognising = recogniseInput(source, settings.format, this.#hosting?.channel?.channel);
    // A receiver that fails before the hypervisor has begun ends the wait for it.
    const recognised = await (control === undefined
      ? recognising
      : Promise.race([recognising, control.failure()]));
    const before = await Promise.race([
      agreedBeginning(hello, source, settings),
      ...(control === undefined ? [] : [control.failure()]),
    ]);
    const plan = planTransfer({
      ...{ settings, named, hello, cpus: allowedCpus() },
      input: { ...inputFacts(recognised, source, settings.input), before },
      output: outputFacts(settings.output, settings.maxBandwidth),
      recall: (codec) => this.#memory?.guess({ codec, peer: peerOf(this.#output) }) ?? {},
    });
    this.#warn(plan);
    const { byExtents, followsEnd } = plan.stream;
    const { head, kind } = recognised;
    const grammar = byExtents ? undefined : grammarFor(kind, { atEnd: followsEnd ? 'follow' : 'stop' });
    this.#grammar = grammar;
    if (grammar !== undefined) this.#hosting?.channel?.onGrammar?.(grammar);
    const { signal, onProgress, onWarning } = settings;
    await runPlan(
      plan,
      { source, head, grammar, sink, control, living: this.#living },
      {
        ...{ statistics: this.#statistics, prestart: this.#prestart, signal, onProgress, onWarning },
        stallLimit: stallLimit(settings.ioTimeout),
        onLearned: (learned) => this.#remember(plan, learned),
      },
    );
  }

  #remember({ adaptivity }: TransferPlan, { link, costs }: Learned): void {
    if (adaptivity === undefined) return;
    const key = { codec: adaptivity.historyName, peer: peerOf(this.#output) };
    // Behind ramferry's own rate limit the link is not known.
    const isLimited = this.#settings.maxBandwidth > 0;
    this.#memory?.record(key, { costs, ...(isLimited ? {} : { link }) });
  }

  /** Tells the user of each warning once: every stage of the planning repeats those of the stages before. */
  #warn({ warnings }: Pick<CodingChoice, 'warnings'>): void {
    for (const warning of warnings) {
      if (this.#warned.has(warning)) continue;
      this.#warned.add(warning);
      this.#settings.onWarning?.(warning);
    }
  }

  #warnOfSlowRate(): void {
    const { maxBandwidth, onWarning } = this.#settings;
    if (maxBandwidth === 0 || maxBandwidth >= SLOW_RATE) return;
    onWarning?.(
      `the bandwidth is limited to ${maxBandwidth} bytes per second (${formatBits(maxBandwidth)}); ` +
        'a bare number is bytes per second: write 100mbit for megabits',
    );
  }
}
