// The conversation: what xenopsd and the real emu-manager say to each other passes here, in order and at once, but for
// the lines that would let xenopsd touch its stream while bytes of ours are still on their way (the order is spelt out in the
// diagrams). One front is one save or one restore.
import { Buffer } from 'node:buffer';
import { RamferryError, toRamferryError } from '../errors.js';
import type { Carrier } from './emu-engine.js';
import { type Answer, EMU_EXIT, errorLine, type FrontOptions } from './emu-ends.js';
import { LIMIT, sleep } from './emu-limits.js';
import type { EmuExit } from './emu-process.js';
import { readLines, textOf } from './lines.js';

/** `over`: the real one has ended by itself, and its status is ours. */
type Ending = 'aborted' | 'failed' | 'over';

export class EmuFront {
  readonly #options: FrontOptions;
  readonly #carriers: readonly Carrier[];
  readonly #sharesStream: boolean;
  readonly #queue: Answer[] = [];
  #wakeDeliverer: () => void = () => undefined;
  /** No more answers will come. */
  #realSilent = false;
  /** The real one has said `error:`: nothing is held back any more, what was held is dropped. */
  #realHasFailed = false;
  #realFailed: () => void = () => undefined;
  readonly #whenRealFailed: Promise<void>;
  /** What decides the exit status otherwise than the real one's own. */
  #ending: Ending | undefined;
  #end: (status: number) => void = () => undefined;
  #lastPrepared = '';
  /** Emulators whose result xenopsd has still to hear; in a save there is one for all. */
  readonly #resultsMissing: Set<string>;
  #lineOfEndPassed = false;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#carriers = [options.memory, ...(options.vgpu === undefined ? [] : [options.vgpu])];
    const { others, fd, saving } = options.request;
    this.#sharesStream = others.get('vgpu') === fd;
    this.#resultsMissing = new Set(saving || !others.has('vgpu') ? ['xenguest'] : ['xenguest', 'vgpu']);
    this.#whenRealFailed = new Promise((resolve) => (this.#realFailed = resolve));
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

  /** Our own failure, or a signal: the real one is told, xenopsd hears one line. */
  fail(error: RamferryError): void {
    void this.#fail(error);
  }

  // --- from xenopsd ---

  async #readCommands(): Promise<void> {
    const { commands, real } = this.#options;
    try {
      for await (const line of readLines(commands)) {
        if (this.#ending !== undefined) {
          // The real one is being stopped already; xenopsd may want the same.
          if (textOf(line) === 'abort') this.#abort();
          continue;
        }
        if (textOf(line) === 'abort') {
          real.input.write(line).catch(() => undefined);
          this.#abort();
          return;
        }
        // A real one that is gone reads no more; its exit tells the rest.
        await real.input.write(line).catch(() => undefined);
        this.#passed(textOf(line));
      }
    } catch (thrown) {
      this.#options.log.warn(`the control channel broke: ${toRamferryError(thrown).message}`);
    }
    void real.input.finish().catch(() => undefined);
    // Behind the last result nobody has to stay in touch.
    if (this.#resultsMissing.size > 0) this.#abort();
  }

  /** A command is with the real one: what it allows us to do begins now. */
  #passed(command: string): void {
    const { memory, vgpu, request } = this.#options;
    if (request.saving) {
      if (command === 'done' && this.#lastPrepared === 'vgpu') vgpu?.start();
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
    this.#wakeDeliverer();
    await delivering;
    if (this.#ending === undefined) await this.#mirror(exit);
  }

  async #readAnswers(): Promise<void> {
    try {
      for await (const line of readLines(this.#options.real.output)) {
        if (this.#ending !== undefined || this.#realSilent) continue;
        const [, word = '', about = ''] = /^([^:]*):?(.*)$/.exec(textOf(line)) ?? [];
        this.#queue.push({ line, word, about });
        if (word === 'error') {
          this.#realHasFailed = true;
          // What xenguest still writes leads nowhere, and xenopsd may do with its stream what it likes.
          this.#drop(new RamferryError('ERR_LINK_COMMAND', 'emu-manager has failed'));
          this.#realFailed();
        }
        this.#wakeDeliverer();
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
        await new Promise<void>((resolve) => (this.#wakeDeliverer = resolve));
        continue;
      }
      const wait = this.#realHasFailed ? undefined : this.#mustWait(answer);
      if (wait !== undefined) await Promise.race([wait, this.#whenRealFailed]);
      if (this.#ending !== undefined) return;
      this.#queue.shift();
      // xenopsd would write to its stream behind it, in the middle of ours.
      if (this.#realHasFailed && this.#isHeld(answer)) continue;
      await this.#say(answer);
    }
  }

  #isHeld({ word, about }: Answer): boolean {
    return word === 'result' || (word === 'prepare' && about === 'vgpu' && this.#sharesStream);
  }

  /** What has to happen before xenopsd may hear this; rejects never. */
  #mustWait(answer: Answer): Promise<void> | undefined {
    if (!this.#isHeld(answer)) return undefined;
    const { memory, vgpu, request, log } = this.#options;
    if (answer.word === 'prepare') {
      const timer = setTimeout(() => this.#prepareOverdue(), LIMIT.prepareHold);
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
      if (surplus !== undefined) {
        throw new RamferryError(
          'ERR_INPUT_UNKNOWN',
          `xenguest has written ${surplus.surplus()} bytes behind its END record`,
          { hint: 'this xenguest does what this version does not know: migrate without compression' },
        );
      }
    } catch (thrown) {
      if (!this.#realHasFailed) this.fail(toRamferryError(thrown));
      // The conversation ends otherwise; this line never passes.
      await new Promise<never>(() => undefined);
    }
  }

  #prepareOverdue(): void {
    const { statistics } = this.#options.memory;
    this.fail(
      new RamferryError(
        'ERR_LINK_TIMEOUT',
        `the link did not take the rest of the memory stream within ${LIMIT.prepareHold / 1000} s ` +
          `(${statistics.linkBytes} bytes so far); emu-manager waits no longer for the vGPU`,
      ),
    );
  }

  async #say({ line, word, about }: Answer): Promise<void> {
    if (word === 'prepare') this.#lastPrepared = about;
    if (word === 'result') {
      this.#resultsMissing.delete(this.#options.request.saving ? 'xenguest' : about.split(' ')[0]!);
    }
    if (word === 'result' || word === 'error') this.#lineOfEndPassed = true;
    await this.#write(line);
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
      if (!this.#realHasFailed) this.fail(error);
    }
  }

  /** The real one has failed in its own way, or does so soon: then xenopsd hears of it without us. */
  async #realExplains(): Promise<boolean> {
    const failed = this.#whenRealFailed.then(() => true);
    const ended = this.#options.real.exited.then(({ status }) => status !== 0);
    return Promise.race([failed, ended, sleep(LIMIT.explain, false)]);
  }

  #abort(): void {
    if (this.#ending === 'aborted') return;
    this.#ending = 'aborted';
    this.#dropAll(new RamferryError('ERR_INTERRUPTED', 'aborted by xenopsd'));
    this.#options.log.info({}, 'aborted by xenopsd');
    void Promise.race([this.#options.real.exited, sleep(LIMIT.abortGrace, undefined)]).then(() => {
      this.#end(EMU_EXIT.success);
    });
  }

  async #fail(error: RamferryError): Promise<void> {
    if (this.#ending !== undefined) return;
    this.#ending = 'failed';
    const { real, log } = this.#options;
    log.error(error);
    real.input.write(Buffer.from('abort\n')).catch(() => undefined);
    this.#dropAll(error);
    const stopped = real.exited.then(() => true);
    if (!(await Promise.race([stopped, sleep(LIMIT.stop, false)]))) real.kill();
    await this.#finish(errorLine(error), EMU_EXIT.failed);
  }

  /** The real one has ended by itself, and everything that it said has been passed on. */
  async #mirror({ status, signal }: EmuExit): Promise<void> {
    const { log, memory } = this.#options;
    this.#ending = 'over';
    this.#dropAll(new RamferryError('ERR_LINK_CLOSED', 'emu-manager has ended'));
    log.info({ status, signal, statistics: memory.statistics.summary('completed') }, 'emu-manager has ended');
    if (signal === null) {
      this.#end(status ?? EMU_EXIT.failed);
    } else if (this.#lineOfEndPassed) {
      this.#end(EMU_EXIT.failed);
    } else {
      const error = new RamferryError('ERR_LINK_COMMAND', `emu-manager was ended by ${signal}`);
      log.error(error);
      await this.#finish(errorLine(error), EMU_EXIT.failed);
    }
  }

  async #finish(line: Buffer, status: number): Promise<void> {
    // An abort may have come meanwhile: then no line of ours.
    if (this.#ending === 'aborted') return;
    await Promise.race([this.#write(line), sleep(LIMIT.lastLine, undefined)]);
    this.#end(status);
  }

  #dropAll(reason: RamferryError): void {
    this.#queue.length = 0;
    this.#drop(reason);
    this.#wakeDeliverer();
  }

  #drop(reason: RamferryError): void {
    for (const carrier of this.#carriers) carrier.drop(reason);
  }
}
