// `send` for a hypervisor that opens several connections for one migration (QEMU: multifd, postcopy preempt, recovery). Each is a transfer of its own, with
// its own connection to the receiver and its own credits, so that one that is not read never stops another. Promises one summary over all, or the
// first error, with everything closed.

import { randomBytes } from 'node:crypto';

import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import type { Accepted } from '../link/listen/binding.js';
import { Refusals } from '../link/listen/strangers.js';
import { RateBudget } from '../link/rate-limit.js';
import type { SendOptions } from '../options/transfer.js';
import { listenSettings, type ListenSettings } from '../transfer/plan/listening.js';
import { openOptions } from '../transfer/plan/opening.js';
import { tlsSettings } from '../transfer/plan/tls.js';
import { warmUpSending } from '../transfer/prestart/warm-up.js';
import { sendHosted } from '../transfer/send.js';
import { outcomeUnknown } from '../transfer/sender/outcome.js';
import { Statistics } from '../transfer/statistics/statistics.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import { Arrivals } from './arrivals.js';
import { ChannelSource } from './channel-source.js';
import { Conversation } from './conversation.js';
import { Crew } from './crew.js';
import { ChannelListener } from './listener.js';
import { foldSummaries } from './fold.js';
import { ONE_OF_SEVERAL, reportAll } from './reporting.js';
import { type SendChannelSettings, sendChannelSettings } from './settings.js';

const TRANSFER_ID_BYTES = 16;

/**
 * As `send`, with up to `hypervisorConnections` connections of the hypervisor.
 * @throws as `send`; ERR_OPTION_INVALID for addresses that cannot carry several connections
 */
export async function sendChannels(options: SendOptions): Promise<TransferSummary> {
  return new ChannelSending(options).run();
}

class ChannelSending {
  readonly #options: SendOptions;
  readonly #settings: SendChannelSettings;
  readonly #listening: ListenSettings;
  readonly #transfer = randomBytes(TRANSFER_ID_BYTES).toString('hex');
  readonly #crew: Crew;
  readonly #arrivals = new Arrivals((accepted) => this.#begin(accepted));
  readonly #rateBudget: RateBudget | undefined;
  readonly #statistics: Statistics[] = [];
  readonly #summaries: TransferSummary[] = [];
  readonly #running = new Set<Promise<void>>();
  #conversation: Promise<Conversation> | undefined;
  /** Why the conversation cannot say that more connections come. */
  #conversationLost: RamferryError | undefined;
  /** The main stream went postcopy and broke: the hypervisor may open another one. */
  #isBroken = false;
  #end: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(options: SendOptions) {
    this.#options = options;
    this.#settings = sendChannelSettings(options);
    const { values, memory, listen, connect } = this.#settings;
    tlsSettings(values, connect);
    this.#listening = listenSettings(values, [listen, connect]);
    this.#rateBudget = values.maxBandwidth === 0 ? undefined : new RateBudget(values.maxBandwidth);
    this.#crew = new Crew(values.compressThreads, memory.all, values.signal);
  }

  async run(): Promise<TransferSummary> {
    const { compressThreads: threads, memoryLimit, zstdBinding = '', codec } = this.#settings.values;
    onAbort(this.#crew.signal, () => this.#end());
    const stopReporting = reportAll(this.#settings.values.onProgress, () => this.#statistics);
    let listener: ChannelListener | undefined;
    try {
      listener = await this.#listen();
      this.#crew.warmUp(warmUpSending({ threads, memoryLimit, zstdBinding, codec }));
      await this.#ended;
      return await this.#finish();
    } catch (thrown) {
      this.#crew.fail(toRamferryError(thrown));
      throw thrown;
    } finally {
      listener?.close();
      this.#arrivals.close();
      await Promise.all(this.#running);
      await this.#closeConversation();
      stopReporting();
      await this.#crew.close();
    }
  }

  #listen(): Promise<ChannelListener> {
    const { listen, values } = this.#settings;
    return ChannelListener.open(listen, {
      ...{ values, access: this.#listening },
      refusals: new Refusals(values.onWarning, 'refused'),
      onAccepted: (accepted) => this.#arrivals.add(accepted),
      onLate: (error) => {
        if (!this.#arrivals.begun) this.#crew.fail(error);
      },
    });
  }

  /** Carries a connection of the hypervisor. */
  #begin(accepted: Accepted): void {
    const { hypervisorConnections: most } = this.#settings.values;
    if (this.#running.size >= most) this.#crew.fail(tooMany(most));
    const { error } = this.#crew;
    if (error !== undefined) {
      accepted.link.fail(error);
      return;
    }
    this.#isBroken = false;
    this.#conversation ??= this.#converse();
    const number = this.#statistics.length;
    const carried: Promise<void> = this.#carry(number, accepted)
      .catch((thrown: unknown) => {
        this.#failed(thrown);
        // The hypervisor sees the end of a connection whose transfer never began, too.
        accepted.link.fail(toRamferryError(thrown));
      })
      .then(() => {
        this.#running.delete(carried);
        if (this.#running.size === 0 && !this.#isBroken) this.#end();
      });
    this.#running.add(carried);
  }

  async #converse(): Promise<Conversation> {
    const { values, connect } = this.#settings;
    const opening = { ...openOptions(values), signal: this.#crew.signal, tls: tlsSettings(values, connect) };
    try {
      const conversation = await Conversation.open(connect, opening, this.#transfer);
      conversation.failure().catch((thrown: unknown) => this.#lost(toRamferryError(thrown)));
      return conversation;
    } catch (thrown) {
      this.#failed(thrown);
      throw thrown;
    }
  }

  /** Where the link is lost, each connection with a stream shows by itself how it ends. */
  #lost(error: RamferryError): void {
    const isLink = error.code === 'ERR_LINK_CLOSED' || error.code === 'ERR_LINK_TIMEOUT';
    if (isLink && this.#running.size > 0 && !this.#isBroken) this.#conversationLost = error;
    else this.#failed(error);
  }

  async #carry(number: number, { link }: Accepted): Promise<void> {
    const statistics = new Statistics();
    this.#statistics.push(statistics);
    // A receiver that takes one connection refuses before the hypervisor's stream begins.
    await this.#conversation;
    const source = new ChannelSource(link.source!, number > 0);
    const forget = onAbort(this.#crew.signal, () => void source.close());
    const parts = this.#crew.lend();
    try {
      const summary = await sendHosted(this.#channelOptions(number), {
        ...{ parts, statistics, rateBudget: this.#rateBudget },
        input: { source, sink: link.sink, duplex: true, fd: link.fd },
        channel: {
          transfer: this.#transfer,
          channel: number,
          onGrammar: (grammar) => source.follow(grammar),
        },
      });
      this.#summaries[number] = summary;
      if (source.hasBrokenPostcopy) this.#onBroken();
    } finally {
      forget();
    }
  }

  #channelOptions(number: number): SendOptions {
    const { values, memory } = this.#settings;
    const isMain = number === 0;
    return {
      ...this.#options,
      ...ONE_OF_SEVERAL,
      memoryLimit: isMain ? memory.main : memory.further,
      // QEMU spreads pages over its channels at will: the earlier contents of a page are seldom in the store of the channel that sends it again.
      ...(isMain ? {} : { xbzrleCacheSize: 0 }),
      signal: this.#crew.signal,
      onWarning: (text) => values.onWarning?.(isMain ? text : `connection ${number}: ${text}`),
    };
  }

  #onBroken(): void {
    if (this.#conversationLost !== undefined) {
      this.#failed(this.#conversationLost);
      return;
    }
    this.#isBroken = true;
    this.#settings.values.onWarning?.(
      'postcopy broke off: waiting for the hypervisor to go on with another connection (migrate-recover at the destination, then migrate ' +
        'with resume at the source)',
    );
  }

  #failed(thrown: unknown): void {
    const error = toRamferryError(thrown);
    this.#crew.fail(error);
    if (error.code === 'ERR_OUTCOME_UNKNOWN') this.#unknown ??= error;
  }

  /** The error of a connection whose last bytes may have arrived. */
  #unknown: RamferryError | undefined;

  async #finish(): Promise<TransferSummary> {
    await Promise.all(this.#running);
    const { error } = this.#crew;
    if (error !== undefined) {
      // The guest may run at the destination although a further connection failed.
      if (this.#unknown !== undefined) throw this.#unknown;
      throw this.#summaries[0] === undefined || error.code === 'ERR_OUTCOME_UNKNOWN'
        ? error
        : outcomeUnknown(error);
    }
    // Each connection's receiver has confirmed its bytes: what is said here changes no outcome.
    await (await this.#conversation)!.end().catch(() => undefined);
    return foldSummaries(this.#summaries);
  }

  async #closeConversation(): Promise<void> {
    const conversation = await this.#conversation?.catch(() => undefined);
    await conversation?.close();
  }
}

function tooMany(most: number): RamferryError {
  return new RamferryError('ERR_LINK_NEGOTIATION', `the hypervisor opens more than ${most} connections`, {
    hint: 'give both sides a larger --hypervisor-connections: one, and one for each multifd channel',
  });
}
