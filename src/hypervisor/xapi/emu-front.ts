// The conversation: what xenopsd and the real emu-manager say to each other passes here, in order and at once, but for
// the lines that would let xenopsd touch its stream while bytes of ours are still on their way (the order is spelt out in the
// diagrams). One front is one save or one restore. It ends after the real one: xenopsd takes the front's end for xenguest's.

import { type RamferryError, toRamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import { type Answer, Answers, readAnswer } from './emu-answers.js';
import type { Carrier } from './emu-engine.js';
import { ABORT_LINE, EMU_EXIT, errorLine, FAILURE, type FrontOptions } from './emu-conversation.js';
import { LIMIT, sleep } from './emu-conversation.js';
import type { EmuExit } from './emu-process.js';
import { readLines, textOf } from './lines.js';

/** `over`: the real one has ended by itself, and its status is ours. */
type Ending = 'aborted' | 'failed' | 'over';

export class EmuFront {
  readonly #options: FrontOptions;
  readonly #carriers: readonly Carrier[];
  readonly #answers: Answers;
  readonly #queue: Answer[] = [];
  /** The queue has a line, or the end of the conversation has changed. */
  readonly #queueChanged = new Signal();
  /** No more answers will come. */
  #realSilent = false;
  /**
   * The streams lead nowhere any more: the real one has said `error:`, or xenopsd has closed the control channel. Nothing is
   * held back from here on, what was held is dropped, and the real one's words and status decide.
   */
  #abandoned = false;
  #setAbandoned: () => void = () => undefined;
  readonly #whenAbandoned: Promise<void>;
  /** What decides the exit status otherwise than the real one's own. */
  #ending: Ending | undefined;
  #end: (status: number) => void = () => undefined;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#carriers = [options.memory, ...(options.vgpu === undefined ? [] : [options.vgpu])];
    this.#answers = new Answers(options.request);
    this.#whenAbandoned = new Promise((resolve) => (this.#setAbandoned = resolve));
  }

  /** Resolves with the exit status as soon as nothing is left to be done. Never rejects. */
  run(): Promise<number> {
    return new Promise((resolve) => {
      this.#end = resolve;
      const { memory, request } = this.#options;
      if (request.saving) memory.start();
      for (const carrier of this.#carriers) void this.#watch(carrier);
      void this.#readCommands();
      void this.#converse();
    });
  }

  /** Our own failure: the real one is told, xenopsd hears one line. */
  fail(error: RamferryError): void {
    void this.#fail(error);
  }

  /** A signal to the front: the first one ends the conversation as a failure, the real one itself gets every other. */
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
        // The real one is being stopped.
        if (this.#ending !== undefined) continue;
        // A real one that is gone reads no more; its exit tells the rest.
        await real.input.write(line).catch(() => undefined);
        this.#passed(textOf(line));
      }
    } catch (thrown) {
      this.#options.log.warn(`the control channel broke: ${toRamferryError(thrown).message}`);
    }
    void real.input.finish().catch(() => undefined);
    this.#hungUp();
  }

  /** The end of the channel is no `abort`: the real one says what it thinks of it, and how it ends. */
  #hungUp(): void {
    // After the last result the channel may end at any time.
    if (this.#ending !== undefined || this.#abandoned || !this.#answers.resultsMissing) return;
    this.#options.log.warn('xenopsd has closed the control channel before the result');
    this.#abandon(FAILURE.hungUp());
  }

  /** A command is with the real one: what it allows us to do begins now. */
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
        // What xenguest still writes leads nowhere, and xenopsd may do with its stream what it likes.
        if (answer.word === 'error') this.#abandon(FAILURE.realFailed());
        this.#queueChanged.notify();
      }
    } catch {
      // it has gone; its exit status tells more
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
      // xenopsd would write to its stream behind it, in the middle of ours.
      if (this.#abandoned && this.#answers.isHeld(answer)) continue;
      this.#answers.passes(answer);
      await this.#write(answer.line);
    }
  }

  /** What has to happen before xenopsd may hear this; rejects never. */
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
    // The other one's stream may go on for as long as its guest runs.
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
      // The conversation ends otherwise; this line never passes.
      await new Promise<never>(() => undefined);
    }
  }

  async #write(line: Uint8Array): Promise<void> {
    await this.#options.answers.write(line).catch((thrown: unknown) => {
      // xenopsd has gone: its other end of the channel says so as well.
      this.#options.log.warn(`xenopsd does not listen: ${toRamferryError(thrown).message}`);
    });
  }

  // --- ends ---

  /** Ends the conversation when a stream fails; leaves it to emu-manager when its own emulator was the cause. */
  async #watch(carrier: Carrier): Promise<void> {
    try {
      await carrier.delivered;
    } catch (thrown) {
      const error = toRamferryError(thrown);
      if (this.#ending !== undefined) return;
      if (carrier.emulatorGone) {
        this.#options.log.warn(`${error.message}; waiting for emu-manager's own words`);
        if (await this.#realExplains()) return;
      }
      if (!this.#abandoned) this.fail(error);
    }
  }

  /** The real one has failed in its own way, or does so soon: then xenopsd hears of it without us. */
  async #realExplains(): Promise<boolean> {
    const failed = this.#whenAbandoned.then(() => true);
    const ended = this.#options.real.exited.then(({ status }) => status !== 0);
    return Promise.race([failed, ended, sleep(LIMIT.explain, false)]);
  }

  /** No line passes any more. The real one needs up to 60 s to end xenguest; the front has its end and its status. */
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

  async #fail(error: RamferryError): Promise<void> {
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
      // Killed, it would leave xenguest behind, and our end would tell xenopsd that the domain is free.
      log.warn(`emu-manager has not ended ${LIMIT.stop / 1000} s after its abort: waiting for it`);
      await real.exited;
    }
    // An abort that came meanwhile has an end of its own.
    if (!this.#isAborted) this.#end(EMU_EXIT.failed);
  }

  /** The real one has ended by itself, and everything that it said has been passed on. */
  async #mirror({ status, signal }: EmuExit): Promise<void> {
    const { log, memory } = this.#options;
    this.#ending = 'over';
    this.#dropAll(FAILURE.realEnded());
    const error =
      signal !== null
        ? FAILURE.realKilled(signal)
        : // It had finished before it saw the end of the channel; its result was held and dropped.
          this.#abandoned && status === EMU_EXIT.success && this.#answers.resultsMissing
          ? FAILURE.hungUp()
          : undefined;
    const outcome = error === undefined && status === EMU_EXIT.success ? 'completed' : 'failed';
    log.info({ status, signal, statistics: memory.statistics.summary(outcome) }, 'emu-manager has ended');
    if (error !== undefined && !this.#answers.ended) {
      log.error(error);
      await this.#sayLast(error);
    }
    this.#end(error === undefined ? (status ?? EMU_EXIT.failed) : EMU_EXIT.failed);
  }

  get #isAborted(): boolean {
    return this.#ending === 'aborted';
  }

  /** The one line of a failure; none when an abort has come meanwhile. */
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
