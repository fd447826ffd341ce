// `incoming`: takes a guest over from `migrate` at the other end of a link (docs/SHARED-MEMORY.md).
// Returns a summary when the guest runs here. Throws with QEMU told to quit and the guest never run; or throws
// ERR_HANDOVER_UNKNOWN when `cont` was sent and QEMU did not answer.

import { statedSums, type StreamSums } from '../../container/sums.js';
import type { Result } from '../../control/negotiation.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { withDeadline } from '../../os/time/deadline.js';
import { WaitingSource } from '../../io/waiting-source.js';
import { parseAddress } from '../../link/address.js';
import { NativeInlet } from '../../container/native-inlet.js';
import { planRestore, type RestorePlan } from '../../transfer/plan/receive-plan.js';
import { Receiver, type ReceiverEnds } from '../../transfer/receiver/receiver.js';
import { openOptions } from '../../transfer/plan/opening.js';
import { reportProgress } from '../../transfer/statistics/progress-timer.js';
import { receiverHello } from '../../transfer/plan/receiver-hello.js';
import { Statistics } from '../../transfer/statistics/statistics.js';
import type { TransferSummary } from '../../transfer/statistics/summary.js';
import { QemuGuest } from './qmp/guest.js';
import { memoryBackends } from './qmp/memory.js';
import { Applier } from './applier.js';
import { neededCapabilities } from './capabilities.js';
import { readGo, type Saying, sayingBody } from './messages.js';
import { qmpTimeout, type ResolvedIncomingOptions, resolveIncomingOptions } from './options.js';
import type { IncomingOptions } from '../../options/rows/migrate.js';
import { announcedRam, checkUnmatched } from './ram/ram-matching.js';
import { checkAddress, type Connection } from './connection.js';
import { checkWaiting, untilLoaded } from './destination-checks.js';
import { DestinationLink } from './destination-link.js';
import { monitorInQemu, openGuestRam } from './ram/guest-ram.js';
import { closeRamFiles, ramBytes, type RamFile } from './ram/ram-files.js';
import { hashRam } from './ram/ram-hash.js';
import { dismissDestination, type RescueOptions, settleDestination } from './rescue.js';
import { StateOutlet, statePath, stateUri } from './state-socket.js';
import { Watchdog } from './watchdog.js';

/** Most milliseconds for telling the result after an interruption. */
const TELL_MS = 2_000;

/**
 * Receives a QEMU guest from migrateGuest: into a QEMU that was started with `-incoming defer` (docs/SHARED-MEMORY.md).
 * @throws RamferryError ERR_OPTION_INVALID, ERR_QMP_…, ERR_GUEST_…, ERR_LINK_…: the guest does not run here. ERR_HANDOVER_UNKNOWN: it
 *   cannot be known which side runs it
 * @example
 * ```ts
 * import { isRamferryError, receiveGuest } from 'ramferry';
 *
 * try {
 *   await receiveGuest({ qmp: 'unix:destination.qmp', input: 'tcp-listen:0.0.0.0:4444' });
 * } catch (thrown) {
 *   if (isRamferryError(thrown)) console.error(thrown.code);
 * }
 * ```
 */
export async function receiveGuest(options: IncomingOptions): Promise<TransferSummary> {
  const settings = resolveIncomingOptions(options);
  checkAddress(parseAddress(settings.input), 'input');
  return new DestinationSide(settings).run();
}

class DestinationSide {
  readonly #settings: ResolvedIncomingOptions;
  readonly #plan: RestorePlan;
  readonly #statistics = new Statistics();
  /** Ends the wait for a connection. Later the link must live until the source has received the verdict. */
  readonly #controller = new AbortController();
  readonly #timeout: number;
  readonly #rescue: RescueOptions;
  #files: readonly RamFile[] = [];
  #guest: QemuGuest | undefined;
  #outlet: StateOutlet | undefined;
  #watchdog: Watchdog | undefined;
  #link: DestinationLink | undefined;
  /** Reads the connection and measures how long the receiver waits for it. */
  #waiting: WaitingSource | undefined;
  #receiver: Receiver | undefined;
  #connection: Connection | undefined;
  #failure: RamferryError | undefined;
  /** GO was read: `cont` follows, and no error may prevent it. */
  #continuing = false;
  #sums: StreamSums | undefined;
  #running = false;

  constructor(settings: ResolvedIncomingOptions) {
    this.#settings = settings;
    this.#plan = planRestore(settings);
    this.#timeout = qmpTimeout(settings);
    // The capabilities are not restored: this QEMU either runs the guest or quits.
    this.#rescue = { qmp: settings.qmp, timeout: this.#timeout, capabilities: {} };
  }

  async run(): Promise<TransferSummary> {
    const { signal } = this.#settings;
    const forget = onAbort(signal, () => this.#fail(toRamferryError(signal!.reason, 'ERR_INTERRUPTED')));
    try {
      const connection = await this.#prepare();
      await this.#receive(connection);
      await this.#awaitGo(connection);
      await this.#takeOver();
      return this.#statistics.summary('completed');
    } catch (thrown) {
      throw await this.#giveUp(this.#failure ?? toRamferryError(thrown));
    } finally {
      forget();
      this.#link?.control?.stop();
      await this.#connection?.source.close();
      this.#link?.close();
      this.#releaseGuest();
    }
  }

  /** Does everything that may fail before this QEMU is changed; then opens the link and starts the watchdog. */
  async #prepare(): Promise<Connection> {
    const { qmp, input } = this.#settings;
    const guest = await QemuGuest.connect(qmp, { timeout: this.#timeout });
    this.#guest = guest;
    await checkWaiting(guest);
    const backends = await memoryBackends(guest.monitor);
    const { files, pid } = openGuestRam(guest.monitor, backends, this.#settings, 'write');
    this.#files = files;
    const changes = await neededCapabilities(guest, 'destination');
    const hello = { ...receiverHello(this.#plan), ...announcedRam(this.#files) };
    const { signal } = this.#controller;
    const { reconnect, ioTimeout } = this.#settings;
    const opening = openOptions({ ...this.#settings, sync: false, directIo: false, signal });
    const count = this.#statistics.countBreaks(reconnect);
    const link = new DestinationLink({ input, opening, reconnect, ioTimeout, count });
    this.#link = link;
    const connection = await link.open(hello);
    this.#connection = connection;
    this.#watchdog = await Watchdog.start({ ...this.#rescue, side: 'destination' }, connection.fd);
    void this.#watchdog.lost.then((error) => this.#fail(error));
    void guest.monitor.closed.then((error) => this.#fail(error));
    await guest.setCapabilities(changes);
    const path = statePath(qmp);
    await guest.migrateIncoming(stateUri(monitorInQemu(guest.monitor, qmp, pid)));
    this.#outlet = await StateOutlet.connect(path);
    const read = new WaitingSource(connection.source);
    this.#waiting = read;
    link.control!.reportProgress(() => ({
      delivered: this.#statistics.guestBytes,
      waiting: read.waiting,
    }));
    return connection;
  }

  /** Receives the stream until the guest is complete and the source may write GO. */
  async #receive({ source }: Connection): Promise<void> {
    const { ioTimeout, onProgress } = this.#settings;
    const outlet = this.#outlet!;
    const link = this.#waiting!;
    const applier = new Applier(this.#files, {
      unmatched: () => checkUnmatched(this.#files, this.#settings.ramUnchecked),
      ramComplete: () => this.#say({ say: 'ram-applied' }),
      state: (bytes) => outlet.write(bytes),
    });
    // This sender writes keep-alives, unlike others: silence means that it is gone.
    source.patience?.(ioTimeout);
    const ends = {
      source: { label: source.label, read: (target) => link.read(target), close: () => source.close() },
      head: new Uint8Array(0),
      sink: applier,
    } satisfies ReceiverEnds;
    // The source's last word follows the stream on the same connection.
    const inlet = new NativeInlet({ ...ends, ioTimeout, shared: true });
    const receiver = new Receiver(inlet, this.#plan, ends, { statistics: this.#statistics });
    this.#receiver = receiver;
    this.#statistics.setupDone();
    const stopReporting = reportProgress(this.#statistics, onProgress);
    try {
      this.#sums = (await receiver.run()).sums;
    } finally {
      stopReporting();
    }
    if (!applier.complete) {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream is complete, but the guest in it is not');
    }
    outlet.end();
    await untilLoaded(this.#guest!, this.#timeout);
    const hash = applier.hashWanted ? await hashRam(this.#files, applier.matched) : {};
    this.#statistics.recordSharedMemory({
      rounds: applier.rounds,
      ramSize: ramBytes(this.#files),
    });
    await this.#say({ say: 'ready', ...hash });
  }

  async #awaitGo({ source }: Connection): Promise<void> {
    source.patience?.(this.#timeout);
    // Signs of life may come on the link without end.
    const go = readGo(source);
    if (this.#timeout === 0) return go;
    await withDeadline(go, this.#timeout, () => {
      throw new RamferryError(
        'ERR_LINK_TIMEOUT',
        `the source has not handed over for ${this.#timeout / 1000} s`,
      );
    });
  }

  /** The handover: continues the guest and reports it. */
  async #takeOver(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#watchdog!.note('continuing');
    this.#continuing = true;
    await this.#guest!.cont();
    this.#running = true;
    await this.#say({ say: 'running' });
    await this.#watchdog!.release();
    await this.#tell({ ok: true, ...statedSums(this.#sums!) });
  }

  async #say(saying: Saying): Promise<void> {
    await this.#link!.control!.backward(sayingBody(saying));
  }

  /** Says the result. A source whose link broke may ask for it for a minute; the guest waits for none of that. */
  async #tell(result: Result): Promise<void> {
    this.#releaseGuest();
    const link = this.#link;
    if (link === undefined) return;
    const { signal } = this.#settings;
    // An interruption that came before does not prevent the result from being told.
    if (signal?.aborted === true) return withDeadline(link.tell(result), TELL_MS, () => undefined);
    const forget = onAbort(signal, () => this.#controller.abort(signal!.reason));
    await link.tell(result);
    await link.keep(result);
    forget();
  }

  #releaseGuest(): void {
    this.#outlet?.close();
    this.#guest?.close();
    closeRamFiles(this.#files);
    this.#files = [];
  }

  #fail(error: RamferryError): void {
    if (this.#continuing) return;
    this.#failure ??= error;
    this.#receiver?.abort(error);
    void this.#connection?.source.close();
    if (this.#connection === undefined) this.#controller.abort(error);
  }

  /** @returns the error as the user hears it */
  async #giveUp(error: RamferryError): Promise<RamferryError> {
    if (this.#watchdog === undefined) {
      await this.#tell({ ok: false, error: error.toData(), handover: 'refused' });
      return error;
    }
    if (this.#running || error.code === 'ERR_HANDOVER_UNKNOWN') {
      await this.#conclude({ say: 'unknown', reason: error.describe() }, error);
      return error;
    }
    this.#guest?.close();
    if (this.#continuing) {
      const verdict = await settleDestination(this.#rescue);
      await this.#conclude(verdict, error);
      if (verdict.say === 'refused') return error;
      return new RamferryError('ERR_HANDOVER_UNKNOWN', `the guest may run here: ${error.describe()}`, {
        cause: error,
        hint: "ask this QEMU (query-status): if the guest runs, quit the source; if QEMU is gone, cont the source's guest",
      });
    }
    // No process can continue the guest any more, so the verdict need not wait for QEMU's end.
    await this.#conclude({ say: 'refused', reason: error.describe() }, error, async () => {
      await dismissDestination(this.#rescue);
    });
    return error;
  }

  async #conclude(saying: Saying, error: RamferryError, before?: () => Promise<void>): Promise<void> {
    await this.#link?.control?.backward(sayingBody(saying));
    try {
      await before?.();
    } catch (thrown) {
      this.#settings.onWarning?.(`QEMU does not quit: ${toRamferryError(thrown).describe()}`);
    }
    await this.#watchdog!.release();
    const handover = saying.say === 'refused' ? 'refused' : 'unknown';
    await this.#tell({ ok: false, error: error.toData(), handover });
  }
}
