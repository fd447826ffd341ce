// `receive` for a hypervisor that opens several connections for one migration. Connects to the destination's hypervisor once for each, in the order in which
// the sender accepted them. Promises one summary over all, or the first error, with everything closed.

import { KEEP_ALIVE_MS } from '../control/writer.js';
import { CHANNELS_VERSION, INTRODUCTION_VERSION } from '../control/negotiation.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { MULTIFD_MAGIC } from '../grammar/magics.js';
import { formatAddress } from '../link/address.js';
import { Refusals } from '../link/listen/strangers.js';
import { openGate, type TlsGate } from '../link/tls/gate.js';
import { withDeadline } from '../os/time/deadline.js';
import { deferred } from '../os/deferred.js';
import { type ReceiveOptions, resolveReceiveOptions } from '../options/transfer.js';
import { type Introduced, Introductions, refuse } from '../serve/introductions.js';
import { LaterConnections } from '../serve/later-connections.js';
import { listenSettings, type ListenSettings } from '../transfer/plan/listening.js';
import { planReceive, type ReceivePlan } from '../transfer/plan/receive-plan.js';
import { tlsSettings } from '../transfer/plan/tls.js';
import { warmUpReceiving } from '../transfer/prestart/warm-up.js';
import { receiveHosted } from '../transfer/receive.js';
import { livingHello } from '../transfer/receiver/living.js';
import { Statistics } from '../transfer/statistics/statistics.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import { Crew } from './crew.js';
import { ChannelListener } from './listener.js';
import { foldSummaries } from './fold.js';
import { ONE_OF_SEVERAL, reportAll } from './reporting.js';
import { endOfConversation } from './receiver-conversation.js';
import { Sequence } from './sequence.js';
import { type ReceiveChannelSettings, receiveChannelSettings } from './settings.js';

/**
 * A destination that closes a multifd channel has loaded the main stream, or has failed. The main stream's end tells which: it comes at
 * once, behind one message on QEMU's return path.
 */
const MAIN_END_MS = 10_000;

/**
 * As `receive`, with up to `hypervisorConnections` connections of the hypervisor.
 * @throws as `receive`; ERR_OPTION_INVALID for addresses that cannot carry several connections
 */
export async function receiveChannels(options: ReceiveOptions): Promise<TransferSummary> {
  return new ChannelReception(options).run();
}

class ChannelReception {
  readonly #options: ReceiveOptions;
  readonly #settings: ReceiveChannelSettings;
  readonly #listening: ListenSettings;
  readonly #crew: Crew;
  readonly #plans: { readonly main: ReceivePlan; readonly further: ReceivePlan };
  readonly #refusals: Refusals;
  readonly #introductions: Introductions;
  /** In which order the connections to the destination are made. */
  readonly #sequence = new Sequence();
  readonly #statistics = new Map<number, Statistics>();
  readonly #summaries: TransferSummary[] = [];
  readonly #running = new Set<Promise<void>>();
  /** The questions of senders whose link broke before they heard a result. */
  readonly #later = new LaterConnections();
  /** Results that are kept for such questions. */
  readonly #kept: Promise<void>[] = [];
  /** The transfer's id, and the name that its sender has proved: those of the first connection. */
  #transfer: { readonly id: string; readonly provenName: string | undefined } | undefined;
  #conversation: Introduced | undefined;
  /** The sender has said that no more connections come. */
  #isLast = false;
  /** Resolves when the first connection has ended well. */
  readonly #mainEnded = deferred<undefined>();
  #end: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(options: ReceiveOptions) {
    this.#options = options;
    this.#settings = receiveChannelSettings(options);
    const { values, memory, listen, connect } = this.#settings;
    tlsSettings(values, listen);
    this.#listening = listenSettings(values, [listen, connect]);
    const plan = (memoryLimit: number): ReceivePlan => planReceive({ ...values, memoryLimit });
    this.#plans = { main: plan(memory.main), further: plan(memory.further) };
    this.#crew = new Crew(values.decompressThreads, memory.all, values.signal);
    this.#refusals = new Refusals(values.onWarning ?? (() => undefined), 'refused');
    this.#introductions = new Introductions({
      // Which connection it is, the sender says later: what holds for all is offered, and the page store of the first.
      hello: {
        ...this.#plans.further.hello,
        stores: this.#plans.main.hello.stores,
        introductions: [INTRODUCTION_VERSION],
        ...livingHello({}, true),
        channels: [CHANNELS_VERSION],
      },
      refusals: this.#refusals,
      uninvited: ONE_CONNECTION,
      later: this.#later,
      isInvited: ({ transfer }) => transfer !== undefined,
      onIntroduced: (introduced) => void this.#admit(introduced),
    });
  }

  async run(): Promise<TransferSummary> {
    const { decompressThreads: threads, memoryLimit, zstdBinding = '' } = this.#settings.values;
    onAbort(this.#crew.signal, () => this.#end());
    const stopReporting = reportAll(this.#settings.values.onProgress, () => this.#statistics.values());
    let listener: ChannelListener | undefined;
    let gate: TlsGate | undefined;
    try {
      gate = this.#openGate();
      listener = await this.#listen(gate);
      this.#crew.warmUp(warmUpReceiving({ threads, memoryLimit, zstdBinding }));
      await this.#ended;
      const summary = await this.#finish();
      await Promise.all(this.#kept);
      return summary;
    } catch (thrown) {
      this.#crew.fail(toRamferryError(thrown));
      throw thrown;
    } finally {
      listener?.close();
      gate?.close();
      this.#introductions.close();
      await Promise.all(this.#running);
      await this.#tellOutcome();
      stopReporting();
      await this.#crew.close();
    }
  }

  #openGate(): TlsGate | undefined {
    const { listen, values } = this.#settings;
    const settings = tlsSettings(values, listen);
    if (settings === undefined) return undefined;
    const { ioTimeout, onWarning } = values;
    const gate = openGate({ label: formatAddress(listen), settings, ioTimeout }, onWarning);
    gate.onTurnedAway((origin, why) => this.#refusals.report(origin, why));
    return gate;
  }

  #listen(gate: TlsGate | undefined): Promise<ChannelListener> {
    const { listen, values } = this.#settings;
    return ChannelListener.open(listen, {
      ...{ values, access: this.#listening, gate, refusals: this.#refusals },
      onAccepted: (accepted) => this.#introductions.add(accepted),
      onLate: (error) => {
        if (this.#transfer === undefined) this.#crew.fail(error);
      },
    });
  }

  async #admit(introduced: Introduced): Promise<void> {
    const { accepted, control, introduction } = introduced;
    const refusal = this.#refusalOf(introduced);
    if (refusal !== undefined) {
      this.#refusals.report(accepted, refusal.message);
      await refuse(accepted, control, refusal);
      return;
    }
    this.#transfer ??= { id: introduction.transfer!, provenName: accepted.provenName };
    if (introduction.channel === undefined) this.#converse(introduced);
    else this.#begin(introduction.channel, introduced);
  }

  /** Why this connection is not part of the transfer. */
  #refusalOf({ accepted, introduction }: Introduced): RamferryError | undefined {
    const { error } = this.#crew;
    if (error !== undefined) return error;
    const { transfer, channel } = introduction;
    const known = this.#transfer;
    if (known !== undefined && (known.id !== transfer || known.provenName !== accepted.provenName)) {
      return new RamferryError('ERR_LINK_NEGOTIATION', 'another transfer has begun here', {
        hint: 'start one `ramferry receive` for each migration',
      });
    }
    const isTaken = channel === undefined ? this.#conversation !== undefined : this.#sequence.has(channel);
    if (isTaken || this.#isLast)
      return new RamferryError('ERR_LINK_NEGOTIATION', 'this connection was there before');
    return undefined;
  }

  /** The connection without a stream: its end says that no more connections come. */
  #converse(introduced: Introduced): void {
    this.#conversation = introduced;
    const { ioTimeout, onWarning } = this.#settings.values;
    endOfConversation(introduced, ioTimeout).then(
      (lost) => {
        // Each connection with a stream shows by itself whether it goes on.
        if (lost !== undefined && this.#running.size === 0) this.#crew.fail(lost);
        else if (lost !== undefined) onWarning?.(`no more connections are taken: ${lost.message}`);
        this.#isLast = true;
        this.#check();
      },
      (thrown: unknown) => this.#crew.fail(toRamferryError(thrown)),
    );
  }

  #begin(channel: number, introduced: Introduced): void {
    const { hypervisorConnections: most } = this.#settings.values;
    if (this.#running.size >= most) {
      this.#crew.fail(
        new RamferryError('ERR_LINK_NEGOTIATION', `the hypervisor opens more than ${most} connections`, {
          hint: 'give both sides a larger --hypervisor-connections: one, and one for each multifd channel',
        }),
      );
    }
    introduced.control.reportProgress(() => ({ delivered: 0 }), KEEP_ALIVE_MS);
    const turn = this.#sequence.turn(channel);
    const carried: Promise<void> = this.#carry(channel, introduced, turn)
      .catch((thrown: unknown) => this.#crew.fail(toRamferryError(thrown)))
      .then(() => {
        this.#running.delete(carried);
        this.#check();
      });
    this.#running.add(carried);
  }

  async #carry(channel: number, { accepted, control }: Introduced, turn: Promise<void>): Promise<void> {
    const { signal } = this.#crew;
    const { link: input } = accepted;
    const aborted = new Promise<void>((resolve) => onAbort(signal, resolve));
    await Promise.race([turn, aborted]);
    if (signal.aborted) {
      await refuse(accepted, control, this.#crew.error!);
      return;
    }
    const statistics = new Statistics();
    this.#statistics.set(channel, statistics);
    const forget = onAbort(signal, () => void input.source!.close());
    try {
      this.#summaries[channel] = await receiveHosted(
        resolveReceiveOptions(this.#channelOptions(channel)),
        channel === 0 ? this.#plans.main : this.#plans.further,
        {
          ...{ input, control, statistics, parts: this.#crew.lend() },
          onConnected: () => this.#sequence.made(channel),
          door: this.#later.door(),
          onKept: (late) => this.#kept.push(late),
          leaving: { mayLeave: isMultifd, judge: (error: RamferryError) => this.#judge(error) },
        },
      );
      if (channel === 0) this.#mainEnded.resolve(undefined);
    } finally {
      forget();
    }
  }

  /** The destination has closed a multifd channel before its end. */
  #judge(error: RamferryError): Promise<RamferryError | undefined> {
    const { signal } = this.#crew;
    const aborted = deferred<RamferryError>();
    const forget = onAbort(signal, () => aborted.resolve(error));
    const ended = Promise.race([this.#mainEnded.promise, aborted.promise]);
    return withDeadline(ended, MAIN_END_MS, () => error).finally(forget);
  }

  #channelOptions(channel: number): ReceiveOptions {
    const { values } = this.#settings;
    return {
      ...this.#options,
      ...ONE_OF_SEVERAL,
      signal: this.#crew.signal,
      onWarning: (text) => values.onWarning?.(channel === 0 ? text : `connection ${channel}: ${text}`),
    };
  }

  #check(): void {
    if (this.#isLast && this.#running.size === 0) this.#end();
  }

  async #finish(): Promise<TransferSummary> {
    await Promise.all(this.#running);
    const { error } = this.#crew;
    if (error !== undefined) throw error;
    if (this.#summaries.length === 0 || this.#summaries.includes(undefined as never)) {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the sender ended before it brought every connection');
    }
    return foldSummaries(this.#summaries);
  }

  async #tellOutcome(): Promise<void> {
    if (this.#conversation === undefined) return;
    const { accepted, control } = this.#conversation;
    const { error } = this.#crew;
    if (error === undefined) await control.result({ ok: true });
    else await control.result({ ok: false, bytes: 0, error: error.toData() });
    await accepted.link.source!.close();
  }
}

function isMultifd(first: Uint8Array): boolean {
  return MULTIFD_MAGIC.every((byte, index) => first[index] === byte);
}

const ONE_CONNECTION = new RamferryError(
  'ERR_LINK_NEGOTIATION',
  'this side takes several connections of the hypervisor, and the sender one',
  {
    hint: 'give both sides --hypervisor-connections with the same number (ramferry 0.2 or newer)',
  },
);
