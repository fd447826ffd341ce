// Passes the lines of xenopsd and the real emu-manager on, in order and at once. It holds back only lines after which xenopsd
// would touch its stream while the front still has bytes to deliver (docs/XAPI.md). One front is one save or restore. It ends
// after the real emu-manager, because xenopsd takes the front's end for xenguest's.

import { type RamferryError, toRamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import { type Answer, Answers, readAnswer } from './emu-answers.js';
import type { Carrier } from './carrier.js';
import { ABORT_LINE, EMU_EXIT, errorLine, explains, FAILURE, type FrontOptions } from './emu-conversation.js';
import { endChannel, LIMIT, sleep, unreportedFailure } from './emu-conversation.js';
import type { EmuExit } from './emu-process.js';
import { kebabKeys } from '../../transfer/statistics/kebab-keys.js';
import { readLines, textOf } from './lines.js';

/** `over`: the real emu-manager has ended by itself, and the front takes its status. */
type Ending = 'aborted' | 'failed' | 'over';

export class EmuFront {
  readonly #options: FrontOptions;
  readonly #carriers: readonly Carrier[];
  readonly #answers: Answers;
  readonly #queue: Answer[] = [];
  readonly #queueChanged = new Signal();
  /** The real emu-manager sends no more lines. */
  #realSilent = false;
  /**
   * The migration has failed: the real emu-manager has said `error:`, or xenopsd has closed the control channel. From here on no
   * line is held, held lines are dropped, and the real emu-manager's lines and status decide.
   */
  #abandoned = false;
  #setAbandoned: () => void = () => undefined;
  readonly #whenAbandoned: Promise<void>;
  /** Set when the end of the conversation, and with it the source of the exit status, is decided. */
  #ending: Ending | undefined;
  #end: (status: number) => void = () => undefined;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#carriers = [options.memory, ...(options.vgpu === undefined ? [] : [options.vgpu])];
    this.#answers = new Answers(options.request);
    this.#whenAbandoned = new Promise((resolve) => (this.#setAbandoned = resolve));
  }

  /** Resolves with the exit status when nothing is left to do. Never rejects. */
  run(): Promise<number> {
    return new Promise((resolve) => {
      this.#end = (status) => {
        this.#options.closeControl?.();
        resolve(status);
      };
      const { memory, request } = this.#options;
      if (request.saving) memory.start();
      for (const carrier of this.#carriers) void this.#watch(carrier);
      void this.#readCommands();
      void this.#converse();
    });
  }

  /** A failure of the front: aborts the real emu-manager, sends xenopsd one line, and ends with `status`. */
  fail(error: RamferryError, status: number = EMU_EXIT.failed): void {
    void this.#fail(error, status);
  }

  /** A signal to the front: the first one ends the conversation as a failure; the real emu-manager gets all others. */
  signalled(signal: NodeJS.Signals): void {
    if (this.#ending === undefined && !this.#abandoned) {
      this.fail(FAILURE.signal(signal));
    } else {
      this.#options.real.kill(signal);
    }
  }

  // --- from xenopsd ---

  async #readCommands(): Promise<void> {
    const { commands, real } = this.#options;
    try {
      for await (const line of readLines(commands)) {
        if (textOf(line) === 'abort') this.#abort();
        // The real emu-manager is being stopped.
        if (this.#ending !== undefined) continue;
        // Where the real emu-manager is gone, its exit status decides.
        await real.input.write(line).catch(() => undefined);
        this.#passed(textOf(line));
        this.#options.onLine?.();
      }
    } catch (thrown) {
      const { message } = toRamferryError(thrown);
      // At the end the front itself closes the channel.
      if (this.#ending === undefined) this.#options.log.warn(`the control channel broke: ${message}`);
    }
    await endChannel(real);
    this.#hungUp();
  }

  /** The end of the channel is no `abort`: the real emu-manager reports its outcome. */
  #hungUp(): void {
    // After the last result the channel may end at any time.
    if (this.#ending !== undefined || this.#abandoned || !this.#answers.resultsMissing) return;
    this.#options.log.warn('xenopsd has closed the control channel before the result');
    this.#abandon(FAILURE.hungUp());
  }

  /** The real emu-manager has got a command: starts the streams that it allows. */
  #passed(command: string): void {
    const { memory, vgpu, request } = this.#options;
    if (request.saving) {
      if (command === 'done' && this.#answers.lastPrepared === 'vgpu') vgpu?.start();
    } else if (command === 'restore:xenguest') {
      memory.start();
    } else if (command === 'restore:vgpu') {
      vgpu?.start();
    }
  }

  // --- from emu-manager ---

  async #converse(): Promise<void> {
    const { real } = this.#options;
    const delivering = this.#deliver();
    const reading = this.#readAnswers();
    const exit = await real.exited;
    await Promise.race([reading, sleep(LIMIT.lastWords, undefined)]);
    this.#realSilent = true;
    this.#queueChanged.notify();
    await delivering;
    if (this.#ending === undefined) await this.#mirror(exit);
  }

  async #readAnswers(): Promise<void> {
    try {
      for await (const line of readLines(this.#options.real.output)) {
        if (this.#ending !== undefined || this.#realSilent) continue;
        const answer = readAnswer(line);
        this.#queue.push(answer);
        // Further bytes of xenguest are useless, and xenopsd may use its stream freely.
        if (answer.word === 'error') this.#abandon(FAILURE.realFailed());
        this.#queueChanged.notify();
      }
    } catch {
      // emu-manager is gone: its exit status decides
    }
  }

  async #deliver(): Promise<void> {
    for (;;) {
      const answer = this.#queue[0];
      if (answer === undefined) {
        if (this.#realSilent) return;
        await this.#queueChanged.wait();
        continue;
      }
      const wait = this.#abandoned ? undefined : this.#mustWait(answer);
      if (wait !== undefined) await Promise.race([wait, this.#whenAbandoned]);
      if (this.#ending !== undefined) return;
      this.#queue.shift();
      // After this line xenopsd would write into the middle of the front's stream.
      if (this.#abandoned && this.#answers.isHeld(answer)) continue;
      this.#answers.passes(answer);
      await this.#write(answer.line);
      this.#options.onLine?.();
    }
  }

  /** What must happen before xenopsd may get this line. Never rejects. */
  #mustWait(answer: Answer): Promise<void> | undefined {
    if (!this.#answers.isHeld(answer)) return undefined;
    const { memory, vgpu, request, log } = this.#options;
    if (answer.word === 'prepare') {
      const timer = setTimeout(
        () => this.fail(FAILURE.overdue(memory.statistics.linkBytes)),
        LIMIT.prepareHold,
      );
      return this.#delivered([memory]).finally(() => clearTimeout(timer));
    }
    let waiting = this.#carriers;
    if (request.saving) vgpu?.emulatorDone?.();
    // The other emulator's stream may go on for as long as its guest runs.
    else waiting = waiting.filter((carrier) => (carrier === vgpu) === answer.about.startsWith('vgpu'));
    log.info({ line: textOf(answer.line) }, 'held until every byte is delivered');
    return this.#delivered(waiting.filter((carrier) => carrier.started));
  }

  async #delivered(carriers: readonly Carrier[]): Promise<void> {
    try {
      await Promise.all(carriers.map((carrier) => carrier.delivered));
      const surplus = carriers.find((carrier) => carrier.surplus() > 0);
      if (surplus !== undefined) throw FAILURE.surplus(surplus.surplus());
    } catch (thrown) {
      if (!this.#abandoned) this.fail(toRamferryError(thrown));
      // The failure ends the conversation; this line never passes.
      await new Promise<never>(() => undefined);
    }
  }

  async #write(line: Uint8Array): Promise<void> {
    await this.#options.answers.write(line).catch((thrown: unknown) => {
      // xenopsd is gone: the command channel ends, too.
      this.#options.log.warn(`xenopsd does not read: ${toRamferryError(thrown).message}`);
    });
  }

  // --- ends ---

  /** Ends the conversation when a stream fails; where the emulator was the cause, emu-manager reports it. */
  async #watch(carrier: Carrier): Promise<void> {
    try {
      await carrier.delivered;
    } catch (thrown) {
      const error = toRamferryError(thrown);
      if (this.#ending !== undefined) return;
      if (carrier.emulatorGone) {
        this.#options.log.warn(`${error.message}; waiting for emu-manager's report`);
        if (await explains(this.#options.real, this.#whenAbandoned)) return;
      }
      if (!this.#abandoned) this.fail(error);
    }
  }

  /** Stops all lines. The real emu-manager needs up to 60 s to end xenguest; the front ends after it, with its status. */
  #abort(): void {
    if (this.#ending === 'aborted' || this.#ending === 'over') return;
    const { real, log } = this.#options;
    if (this.#ending === undefined) this.#tellAbort();
    this.#ending = 'aborted';
    this.#dropAll(FAILURE.aborted());
    log.info({}, 'aborted by xenopsd');
    void real.exited.then(({ status, signal }) => {
      log.info({ status, signal }, 'emu-manager has ended');
      this.#end(status ?? EMU_EXIT.failed);
    });
  }

  readonly #tellAbort = (): void => void this.#options.real.input.write(ABORT_LINE).catch(() => undefined);

  async #fail(error: RamferryError, status: number): Promise<void> {
    if (this.#ending !== undefined) return;
    this.#ending = 'failed';
    const { real, log } = this.#options;
    log.error(error);
    this.#tellAbort();
    this.#dropAll(error);
    const stopped = real.exited.then(() => true);
    const inTime = await Promise.race([stopped, sleep(LIMIT.stop, false)]);
    await this.#sayLast(error);
    if (!inTime) {
      // A killed emu-manager would leave xenguest behind, and the front's end would tell xenopsd that the domain is free.
      log.warn(`emu-manager has not ended ${LIMIT.stop / 1000} s after its abort: waiting for it`);
      await real.exited;
    }
    // Where an abort came meanwhile, #abort() ends the conversation.
    if (!this.#isAborted) this.#end(status);
  }

  /** The real emu-manager has ended by itself, and all its lines have passed. */
  async #mirror(exit: EmuExit): Promise<void> {
    const { log, memory } = this.#options;
    const { status, signal } = exit;
    this.#ending = 'over';
    const error = unreportedFailure(exit, this.#abandoned && this.#answers.resultsMissing);
    if (error !== undefined && !this.#answers.ended) {
      log.error(error);
      await this.#sayLast(error);
    }
    // The guest's downtime lasts to the end of the channel and of the process: the rest comes behind the channel's end.
    this.#end(error === undefined ? (status ?? EMU_EXIT.failed) : EMU_EXIT.failed);
    this.#dropAll(FAILURE.realEnded());
    const outcome = error === undefined && status === EMU_EXIT.success ? 'completed' : 'failed';
    log.info(
      { status, signal, statistics: kebabKeys(memory.statistics.summary(outcome)) },
      'emu-manager has ended',
    );
  }

  get #isAborted(): boolean {
    return this.#ending === 'aborted';
  }

  /** Sends the one line of a failure; none when an abort has come meanwhile. */
  async #sayLast(error: RamferryError): Promise<void> {
    if (this.#isAborted) return;
    await Promise.race([this.#write(errorLine(error)), sleep(LIMIT.lastLine, undefined)]);
  }

  #abandon(reason: RamferryError): void {
    this.#abandoned = true;
    this.#drop(reason);
    this.#setAbandoned();
  }

  #dropAll(reason: RamferryError): void {
    this.#queue.length = 0;
    this.#drop(reason);
    this.#queueChanged.notify();
  }

  #drop(reason: RamferryError): void {
    for (const carrier of this.#carriers) carrier.drop(reason);
  }
}
