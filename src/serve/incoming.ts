// Guests that come: senders connect to one address and say which guest they bring; each is handed to its hypervisor's socket.
// A transfer that fails, or a sender that goes away while it waits, concerns no other.

import type net from 'node:net';

import { KEEP_ALIVE_MS } from '../control/writer.js';
import { INTRODUCTION_VERSION } from '../control/negotiation.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { formatAddress } from '../link/address.js';
import type { PeerLink } from '../link/peer-link.js';
import { Acceptor, type AcceptorOptions } from '../link/listen/acceptor.js';
import { accept } from '../link/listen/binding.js';
import { openGate, type TlsGate } from '../link/tls/gate.js';
import { resolveReceiveOptions } from '../options/transfer.js';
import { planReceive, type ReceivePlan } from '../transfer/plan/receive-plan.js';
import {
  divideReceiverMemory,
  type ReceiverSettings,
  resumableHello,
} from '../transfer/plan/reconnection.js';
import type { KeptResult } from '../transfer/prestart/hosting.js';
import { receiveHosted } from '../transfer/receive.js';
import { livingHello } from '../transfer/receiver/living.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import { type Introduced, Introductions, refuse } from './introductions.js';
import { LaterConnections } from './later-connections.js';
import { Line } from './line.js';
import type { IncomingSettings, ServeSettings } from './options.js';
import { checkBringer, inTheClear } from './security.js';
import type { Served } from './register.js';
import { carry, type ServerParts } from './parts.js';
import { localLink, passOn } from './passing-on.js';

/** A sender that has said which guest it brings. */
interface Bringer extends Pick<Introduced, 'accepted' | 'control'> {
  readonly name: string;
}

const UNINTRODUCED = new RamferryError(
  'ERR_LINK_NEGOTIATION',
  'the sender did not say which guest it brings',
  {
    hint: 'this receiver serves many guests, each with one connection: send with --name NAME (ramferry 0.2 or newer)',
  },
);

export class IncomingGuests {
  readonly #settings: ServeSettings;
  readonly #ends: IncomingSettings;
  readonly #parts: ServerParts;
  readonly #line: Line;
  readonly #plan: ReceivePlan;
  readonly #introductions: Introductions;
  readonly later = new LaterConnections();
  /** Transfers that run, and results that are kept: their senders may connect again. */
  #expected = 0;
  #acceptor: Acceptor | undefined;
  /** Where connections make their TLS handshake; undefined = in the clear. */
  readonly #gate: TlsGate | undefined;
  #draining = false;
  #isClosed = false;

  /** @throws ERR_MEMORY_LIMIT when a transfer's share is too little for any stream; ERR_TLS_CREDENTIALS */
  constructor(settings: ServeSettings, ends: IncomingSettings, parts: ServerParts) {
    this.#settings = settings;
    this.#ends = ends;
    this.#parts = parts;
    this.#line = new Line(settings.maxTransfers);
    const receiving = this.#receiveOptions('name', new AbortController().signal);
    const plan = planReceive(receiving);
    const resumable = resumableHello(receiving);
    const living = livingHello(resumable, true);
    this.#plan = {
      ...plan,
      hello: { ...plan.hello, introductions: [INTRODUCTION_VERSION], ...resumable, ...living },
    };
    this.#introductions = new Introductions({
      hello: this.#plan.hello,
      refusals: parts.refusals,
      uninvited: UNINTRODUCED,
      later: { take: (first, link) => this.#takeLater(first, link) },
      isInvited: ({ name, transfer }) => name !== undefined && transfer === undefined,
      onIntroduced: ({ accepted, control, introduction }) =>
        void this.#serve({ accepted, control, name: introduction.name! }),
    });
    this.#gate = this.#openGate();
  }

  get line(): Line {
    return this.#line;
  }

  /** @throws ERR_LINK_LISTEN; ERR_OPTION_INVALID for other hosts without TLS and `insecure` */
  async open(fd?: number): Promise<void> {
    const { onWarning, onListening } = this.#parts.hooks;
    const acceptor = await listenForSenders(this.#settings, this.#ends.listen, {
      ...{ fd, onWarning, onSocket: (socket) => this.take(socket) },
    });
    this.#acceptor = acceptor;
    onListening(acceptor.address);
  }

  /** Takes a connection whose reading has not begun. */
  take(socket: net.Socket): void {
    const { ioTimeout, listening } = this.#settings;
    const { listen } = this.#ends;
    accept(socket, listen.kind, {
      ...{ label: formatAddress(listen), ioTimeout, gate: this.#gate, allow: listening.allow },
      onTurnedAway: (origin, why) => this.#parts.refusals.report(origin, why),
      onAccepted: (accepted) => this.#introductions.add(accepted),
    });
  }

  #openGate(): TlsGate | undefined {
    const { listenerTls: settings, ioTimeout } = this.#settings;
    if (settings === undefined) return undefined;
    const label = formatAddress(this.#ends.listen);
    const gate = openGate({ label, settings, ioTimeout }, this.#parts.hooks.onWarning);
    gate.onTurnedAway((origin, why) => this.#parts.refusals.report(origin, why));
    return gate;
  }

  /** Takes no more guests. Those in line are refused, running transfers go on, and their senders may connect again. */
  drain(): void {
    this.#draining = true;
    this.#introductions.close();
    if (this.#expected === 0) this.close();
  }

  /** Accepts no more connections. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#acceptor?.close();
    this.#gate?.close();
    this.#introductions.close();
  }

  /** The server listens for a later connection of this transfer until `work` settles, also while it drains. */
  #expect(work: Promise<unknown>): void {
    this.#expected++;
    const over = (): void => {
      this.#expected--;
      if (this.#draining && this.#expected === 0) this.close();
    };
    work.then(over, over);
  }

  async #serve(introduced: Bringer): Promise<void> {
    const { accepted, control, name } = introduced;
    const { register, claims, refusals } = this.#parts;
    let id: number | undefined;
    try {
      id = await this.#claim(introduced);
    } catch (thrown) {
      const unwanted = toRamferryError(thrown);
      refusals.report(accepted, `${name}: ${unwanted.message}`);
      await refuse(accepted, control, unwanted);
      return;
    }
    const { from, provenName } = accepted;
    const peer = provenName === undefined ? from : `${from} (${provenName})`;
    const served = register.begin({ id, name, direction: 'incoming', peer });
    control.reportProgress(() => ({ delivered: 0 }), KEEP_ALIVE_MS);
    const ticket = this.#line.enter((ahead) => {
      served.ahead = ahead;
      control.place({ ahead });
    });
    const outcome = await this.#admit(introduced, served, ticket.admitted)
      .then(() => this.#receive(introduced, served))
      .catch((thrown: unknown) => toRamferryError(thrown));
    ticket.leave();
    claims.release(id);
    this.#parts.ended(register.end(served, outcome), outcome);
  }

  /** @returns the transfer's number @throws why this sender may not bring this guest now */
  async #claim({ accepted, name }: Bringer): Promise<number> {
    if (this.#draining) {
      throw new RamferryError('ERR_TERMINATED', 'the server is ending and takes no more guests');
    }
    checkBringer(name, accepted.provenName, this.#settings.tlsAuthz);
    const id = await this.#parts.claims.take('incoming', name);
    if (id !== undefined) return id;
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'a guest of this name is on its way already', {
      hint: 'wait for that transfer, or end it: its sender names the host',
    });
  }

  /** Waits for the transfer's turn. @throws what ended the wait, which the sender has heard */
  async #admit({ accepted, control }: Bringer, served: Served, admitted: Promise<void>): Promise<void> {
    const { socket } = accepted.link;
    const { signal } = served.controller;
    const failure = await new Promise<RamferryError | undefined>((resolve) => {
      const left = (): void => resolve(new RamferryError('ERR_LINK_CLOSED', 'the sender left the line'));
      void admitted.then(() => (socket.destroyed ? left() : resolve(undefined)));
      socket.once('close', left);
      onAbort(signal, () => resolve(toRamferryError(signal.reason)));
    });
    if (failure === undefined) return;
    await refuse(accepted, control, failure);
    throw failure;
  }

  #receive({ accepted, control, name }: Bringer, served: Served): Promise<TransferSummary> {
    const { link: input, host } = accepted;
    const options = this.#receiveOptions(name, served.controller.signal);
    const parts = this.#parts.lend();
    const door = this.later.door();
    const onKept = (late: Promise<void>, kept: KeptResult): void => {
      this.#expect(late);
      this.#parts.register.keep(served, late, { ...kept, host });
    };
    const carried = carry(served, input, (statistics) =>
      receiveHosted(options, this.#plan, {
        ...{ input, control, statistics, parts, door, onKept },
      }),
    );
    this.#expect(carried);
    return carried;
  }

  /** Another shard may carry the transfer: then the connection is passed on to it. */
  async #takeLater(first: Uint8Array, peer: PeerLink): Promise<boolean> {
    if (this.later.take(first, peer)) return true;
    const socket = await this.#parts.elsewhere?.find(first, peer.provenName);
    const local = socket && localLink(socket, peer.source!.label, undefined);
    if (local === undefined) return false;
    const passed = passOn(peer, local, this.#settings.ioTimeout);
    this.#expect(passed);
    this.#parts.register.hold(passed);
    return true;
  }

  #receiveOptions(name: string, signal: AbortSignal): ReceiverSettings {
    const { threads, transferMemory, ioTimeout, reconnect, connectTimeout, maxSize, zstdBinding } =
      this.#settings;
    const resolved = resolveReceiveOptions({
      input: formatAddress(this.#ends.listen),
      output: this.#ends.pattern.text(name),
      decompressThreads: threads,
      memoryLimit: transferMemory,
      ...{ ioTimeout, reconnect, connectTimeout, maxSize, zstdBinding, signal },
      onWarning: (text) => this.#parts.hooks.onWarning(`${name}: ${text}`),
    });
    return divideReceiverMemory(resolved);
  }
}

/**
 * Listens where senders of guests connect.
 * @throws ERR_LINK_LISTEN; ERR_OPTION_INVALID for other hosts without TLS and `insecure`
 */
export async function listenForSenders(
  { insecure, listening, listenerTls }: ServeSettings,
  place: IncomingSettings['listen'],
  options: Omit<AcceptorOptions, 'access'>,
): Promise<Acceptor> {
  const acceptor = await Acceptor.open(place, { ...options, access: listening.socketAccess });
  if (!acceptor.isBeyondLoopback || listenerTls !== undefined || insecure) return acceptor;
  acceptor.close();
  throw inTheClear('listen', place);
}
