// `migrate`: hands a running guest over to `incoming` at the other end of a link (docs/SHARED-MEMORY.md).
// Returns a summary when the guest runs there. Throws with the guest running here; or throws ERR_HANDOVER_UNKNOWN, with the guest
// stopped here, when it is unknown whether it runs there.

import { NATIVE_MAGIC } from '../../container/native.js';
import { type RamferryError, toRamferryError } from '../../errors.js';
import { MemoryGrammar } from '../../grammar/memory.js';
import { onAbort } from '../../io/abort-signal.js';
import { allowedCpus } from '../../os/processor/cpus.js';
import { parseAddress } from '../../link/address.js';
import { divideMemory, type SenderSettings } from '../../transfer/plan/reconnection.js';
import { THREAD_BYTES } from '../../transfer/plan/memory.js';
import { chooseCoding, type Named, namedOptions } from '../../transfer/plan/coding.js';
import { outputFacts } from '../../transfer/plan/ends.js';
import { planTransfer } from '../../transfer/plan/plan-transfer.js';
import { runPlan } from '../../transfer/sender/run-plan.js';
import { Statistics } from '../../transfer/statistics/statistics.js';
import type { TransferSummary } from '../../transfer/statistics/summary.js';
import { ControlReader } from '../../control/channel.js';
import { QemuGuest } from './qmp/guest.js';
import { memoryBackends, qemuVersion } from './qmp/memory.js';
import { neededCapabilities, opposite } from './capabilities.js';
import { Convergence } from './convergence.js';
import { HandoverProtocol, unknownOutcome, verdictError } from './handover-protocol.js';
import { goMessage } from './messages.js';
import { qmpTimeout, type ResolvedMigrateOptions, resolveMigrateOptions, sendOptions } from './options.js';
import type { MigrateOptions } from '../../options/rows/migrate.js';
import { checkAddress, type Connection } from './connection.js';
import { PieceSource } from './ram/piece-source.js';
import { checkHash, checkIgnored, checkSaved, checkScan, checkState } from './source-checks.js';
import { matchRam } from './ram/ram-matching.js';
import { monitorInQemu, openGuestRam } from './ram/guest-ram.js';
import { closeRamFiles, ramBytes, type RamFile } from './ram/ram-files.js';
import { hashRam } from './ram/ram-hash.js';
import { type RescueOptions, resumeAfter } from './rescue.js';
import { Scanner, scannerBytes } from './ram/scanner.js';
import { SourceLink } from './source-link.js';
import { type FinalScan, SourceStream } from './source-stream.js';
import { StateInlet } from './state-socket.js';
import { Watchdog } from './watchdog.js';

/**
 * Moves a running QEMU guest, whose RAM is shared memory, to a host where receiveGuest waits (docs/SHARED-MEMORY.md).
 * @throws RamferryError ERR_OPTION_INVALID, ERR_QMP_…, ERR_GUEST_…, ERR_LINK_…: the guest runs here. ERR_HANDOVER_UNKNOWN: it cannot
 *   be known which side runs it
 * @example
 * ```ts
 * import { isRamferryError, migrateGuest } from 'ramferry';
 *
 * try {
 *   await migrateGuest({ qmp: 'unix:source.qmp', output: 'tcp:destination:4444' });
 * } catch (thrown) {
 *   if (isRamferryError(thrown)) console.error(thrown.code);
 * }
 * ```
 */
export async function migrateGuest(options: MigrateOptions): Promise<TransferSummary> {
  const settings = resolveMigrateOptions(options);
  checkAddress(parseAddress(settings.output), 'output');
  const side = new SourceSide(settings, namedOptions(options));
  return side.run();
}

class SourceSide {
  readonly #settings: ResolvedMigrateOptions;
  readonly #named: Named;
  readonly #statistics = new Statistics();
  readonly #handover = new HandoverProtocol();
  /** Ends the link and the engine. Not used after GO: then only the destination's verdict counts. */
  readonly #controller = new AbortController();
  readonly #timeout: number;
  #files: readonly RamFile[] = [];
  #matched = false;
  #guest: QemuGuest | undefined;
  #scanner: Scanner | undefined;
  #link: SourceLink | undefined;
  #inlet: StateInlet | undefined;
  #watchdog: Watchdog | undefined;
  #stream: SourceStream | undefined;
  /** Resolves when the destination's QEMU waits for the guest; rejects when the destination has failed before. */
  #prepared: Promise<void> = Promise.resolve();
  #rescue: RescueOptions;
  #stopping = false;
  #committed = false;
  #over = false;

  constructor(settings: ResolvedMigrateOptions, named: Named) {
    this.#settings = settings;
    this.#named = named;
    this.#timeout = qmpTimeout(settings);
    this.#rescue = { qmp: settings.qmp, timeout: this.#timeout, capabilities: {} };
  }

  async run(): Promise<TransferSummary> {
    const { signal } = this.#settings;
    const forget = onAbort(signal, () => this.#fail(toRamferryError(signal!.reason, 'ERR_INTERRUPTED')));
    try {
      const connection = await this.#prepare();
      await this.#transfer(connection);
      await this.#afterwards();
      return this.#statistics.summary('completed');
    } catch (thrown) {
      await this.#admitFailure();
      throw await this.#giveUp(toRamferryError(this.#controller.signal.reason ?? thrown));
    } finally {
      forget();
      this.#link?.close();
      this.#inlet?.close();
      this.#guest?.close();
      await this.#scanner?.close();
      closeRamFiles(this.#files);
    }
  }

  /** Does everything that may fail before the guest is changed; then opens the link and starts the watchdog. */
  async #prepare(): Promise<Connection> {
    const { qmp } = this.#settings;
    const guest = await QemuGuest.connect(qmp, { timeout: this.#timeout });
    this.#guest = guest;
    await checkState(guest);
    const backends = await memoryBackends(guest.monitor);
    checkIgnored(await qemuVersion(guest.monitor), backends);
    const { files, pid } = openGuestRam(guest.monitor, backends, this.#settings, 'read');
    this.#files = files;
    const settings = this.#sendOptions();
    chooseCoding(settings);
    const state = { isStopped: () => this.#stopping, isCommitted: () => this.#committed };
    this.#link = new SourceLink(settings, state, this.#statistics.countBreaks(settings.reconnect));
    const connection = await this.#link.open();
    this.#inlet = await StateInlet.listen(qmp, monitorInQemu(guest.monitor, qmp, pid));
    const changes = await neededCapabilities(guest, 'source');
    this.#rescue = { ...this.#rescue, capabilities: opposite(changes) };
    this.#watchdog = await Watchdog.start(
      { ...this.#rescue, side: 'source', output: this.#settings.output },
      connection.fd,
    );
    await guest.setCapabilities(changes);
    void this.#watchdog.lost.then((error) => this.#fail(error));
    void guest.monitor.closed.then((error) => this.#fail(error));
    return connection;
  }

  #sendOptions(): SenderSettings {
    return divideMemory(sendOptions(this.#settings, this.#controller.signal));
  }

  async #transfer({ source }: Connection): Promise<void> {
    const grammar = new MemoryGrammar();
    const control = new ControlReader(source, (body) =>
      Promise.resolve(body).then((said) => this.#handover.hear(said)),
    );
    const prepared = new Promise<void>((resolve) => control.onDelivered(() => resolve()));
    this.#prepared = Promise.race([prepared, control.failure()]);
    this.#prepared.catch(() => undefined);
    // The handover may wait for the destination after the engine has finished.
    control.failure().catch((thrown: unknown) => this.#handover.fail(toRamferryError(thrown)));
    const pieces = new PieceSource('the guest', this.#pieces(grammar));
    try {
      await this.#run(control, grammar, pieces);
    } catch (thrown) {
      // Errors after the handover do not count: the destination has said that the guest runs.
      if (!this.#over) throw thrown;
      await this.#link!.abandon();
    }
    await source.close();
  }

  /** Plans the transfer when the destination has said hello, and carries it out up to the handover. */
  async #run(control: ControlReader, grammar: MemoryGrammar, source: PieceSource): Promise<void> {
    const settings = this.#sendOptions();
    const hello = await control.hello();
    const link = this.#link!;
    const sink = link.begin(hello, control);
    if (link.id !== undefined) await this.#watchdog!.note(`kept:${link.id.toString('hex')}`);
    const { files, matched } = matchRam(hello, this.#files, this.#settings.ramUnchecked);
    this.#files = files;
    this.#matched = matched;
    const plan = planTransfer({
      ...{ settings, named: this.#named, hello, cpus: allowedCpus() },
      input: { kind: 'memory' },
      output: outputFacts(settings.output, settings.maxBandwidth),
      reservedBytes: scannerBytes(settings.compressThreads, THREAD_BYTES),
    });
    const { signal, onProgress, onWarning } = settings;
    for (const warning of plan.warnings) onWarning?.(warning);
    const handover = {
      delivered: () => this.#handOver((bytes) => sink.write(bytes)),
      mayEnd: () => this.#committed,
    };
    const ends = { source, head: new Uint8Array(0), grammar, sink, control, living: link.living };
    this.#statistics.observe({ roundCount: () => this.#stream?.begunRounds });
    await runPlan(plan, ends, { statistics: this.#statistics, handover, signal, onProgress, onWarning });
  }

  /** Begins after the destination's hello, which determines the order of the files. */
  async *#pieces(grammar: MemoryGrammar): AsyncGenerator<Uint8Array, void> {
    this.#controller.signal.throwIfAborted();
    this.#scanner = new Scanner(this.#files, this.#settings.compressThreads);
    this.#stream = new SourceStream({
      guest: this.#guest!,
      files: this.#files,
      scanner: this.#scanner,
      handover: this.#handover,
      inlet: this.#inlet!,
      grammar,
      convergence: new Convergence(this.#settings.downtimeLimit, this.#settings.maxRounds),
      timeout: this.#timeout,
      verifyRam: this.#settings.verifyRam,
      matched: this.#matched,
      beforeStop: async () => {
        // The destination reports progress once its QEMU waits for the guest: an earlier failure there costs no pause.
        await this.#prepared;
        await this.#watchdog!.note('stopping');
        this.#stopping = true;
      },
      onWarning: this.#settings.onWarning,
    });
    yield* this.#stream.pieces();
  }

  /** Hands over. The destination has the complete stream, the guest is stopped, QEMU has saved the devices. */
  async #handOver(write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const stream = this.#stream!;
    const [scan, hash, ready] = await Promise.all([
      stream.finalScan!,
      this.#settings.verifyRam ? hashRam(this.#files, this.#matched) : undefined,
      this.#handover.await(['ready'], this.#timeout, 'that it is ready'),
    ]);
    checkScan(scan);
    checkHash(hash, ready);
    await checkSaved(this.#guest!);
    const { reason } = this.#controller.signal as { readonly reason: unknown };
    if (reason !== undefined) throw toRamferryError(reason);
    await this.#watchdog!.note('committed');
    this.#committed = true;
    this.#handover.expect('running');
    await this.#link!.hearRunning(this.#handover, write(goMessage()), this.#timeout);
    this.#over = true;
    this.#count(scan);
  }

  #count(scan: FinalScan): void {
    const stream = this.#stream!;
    this.#statistics.recordDowntime(performance.now() - stream.stoppedAt!);
    this.#statistics.recordSharedMemory({
      ...stream.figures(scan, ramBytes(this.#files)),
      ...(this.#settings.verifyRam ? { verified: true } : {}),
    });
  }

  async #afterwards(): Promise<void> {
    await this.#watchdog!.release();
    if (!this.#settings.quitSource) return;
    await this.#guest!.quit().catch((thrown: unknown) => {
      this.#settings.onWarning?.(`the source's QEMU does not quit: ${toRamferryError(thrown).describe()}`);
    });
  }

  /** A destination without a byte would wait for another connection: the magic tells it that its peer has failed. */
  async #admitFailure(): Promise<void> {
    if (this.#statistics.linkBytes === 0) await this.#link?.admit(NATIVE_MAGIC);
  }

  /** Before GO: ends every activity with the error. */
  #fail(error: RamferryError): void {
    if (this.#committed) return;
    this.#handover.fail(error);
    this.#scanner?.fail(error);
    this.#controller.abort(error);
  }

  /** @returns the error as the user hears it */
  async #giveUp(error: RamferryError): Promise<RamferryError> {
    if (this.#watchdog === undefined) {
      await this.#closeLink(error);
      return error;
    }
    const { verdict } = this.#handover;
    // A destination may report `unknown` before GO, too.
    const doubt = this.#stopping && verdict?.say === 'unknown';
    if (doubt || (this.#committed && verdict?.say !== 'refused')) {
      // The watchdog could not find out more.
      await this.#watchdog.release();
      await this.#closeLink(error);
      return unknownOutcome(verdict === undefined ? error : verdictError(verdict));
    }
    this.#fail(error);
    this.#guest?.close();
    const reported = await resumeAfter(error, this.#rescue, this.#stopping, this.#watchdog);
    await this.#closeLink(error);
    return reported;
  }

  async #closeLink(error: RamferryError): Promise<void> {
    await this.#link?.abandon();
    this.#controller.abort(error);
  }
}
