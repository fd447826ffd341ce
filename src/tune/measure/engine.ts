// Processes that stand for the two hosts: one sends, one receives, over a connection on this machine. They repeat the library's
// transfers, so that their steady state is measured and not their start.

import type { ChildProcess } from 'node:child_process';

import { type ErrorData, fromErrorData, RamferryError } from '../../errors.js';
import { TUNE_ENTRY } from '../../os/entries.js';
import { forkModule } from '../../os/process/fork.js';
import { Signal } from '../../os/signal.js';
import type { ReceiveOptions, SendOptions } from '../../options/transfer.js';
import type { TransferSummary } from '../../transfer/statistics/summary.js';

/** Options that a message can carry. */
type Plain<Options> = Omit<Options, 'signal' | 'onProgress' | 'onListening' | 'onWarning'>;

export type ChildRequest =
  | { readonly kind: 'send'; readonly options: Plain<SendOptions> }
  | { readonly kind: 'receive'; readonly options: Plain<ReceiveOptions> }
  | { readonly kind: 'drain' }
  | { readonly kind: 'cpu' };

export type ChildAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'listening'; readonly address: string }
  | ({ readonly kind: 'done' } & Side)
  | { readonly kind: 'cpu'; readonly seconds: number }
  | { readonly kind: 'failed'; readonly error: ErrorData };

/** What a transfer cost one side. */
export interface Side {
  readonly summary: TransferSummary;
  /** Elapsed seconds. */
  readonly wall: number;
  /** Seconds of processor time of the main thread. */
  readonly own: number;
  /** Of all other threads: workers, garbage collector, compiler. */
  readonly others: number;
}

export class EngineChild {
  readonly #child: ChildProcess;
  readonly #answers: ChildAnswer[] = [];
  readonly #changed = new Signal();
  #gone = false;

  constructor() {
    // The child does not inherit options of the test runner or a debugger. In a session of its own, signals to our process group do
    // not reach it. It ends when the channel closes, however this process ends.
    this.#child = forkModule(TUNE_ENTRY, {
      // Its threads collect what codecs leave behind, as those of the command do (codec/reclaim.ts).
      execArgv: ['--expose-gc'],
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => {
      this.#answers.push(message as ChildAnswer);
      this.#changed.notify();
    });
    this.#child.once('exit', () => {
      this.#gone = true;
      this.#changed.notify();
    });
  }

  ask(request: ChildRequest): void {
    // expect() reports a child that has ended.
    if (this.#child.connected) this.#child.send(request, () => undefined);
  }

  /** The next answer, which must be of this kind. @throws what the transfer failed of */
  async expect<Kind extends ChildAnswer['kind']>(kind: Kind): Promise<Extract<ChildAnswer, { kind: Kind }>> {
    while (this.#answers.length === 0) {
      if (this.#gone) {
        throw new RamferryError('ERR_INTERNAL', 'a process that measures transfers ended early');
      }
      await this.#changed.wait();
    }
    const answer = this.#answers.shift()!;
    if (answer.kind === 'failed') throw fromErrorData(answer.error);
    if (answer.kind !== kind) {
      throw new RamferryError('ERR_INTERNAL', `a process that measures transfers said ${answer.kind}`);
    }
    return answer as Extract<ChildAnswer, { kind: Kind }>;
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 1000);
    await gone;
    clearTimeout(timer);
  }
}

/** Runs one transfer from here to there. */
export async function transferBetween(
  sender: EngineChild,
  receiver: EngineChild,
  send: Omit<Plain<SendOptions>, 'output'>,
  receive: Omit<Plain<ReceiveOptions>, 'input'>,
): Promise<{ sender: Side; receiver: Side }> {
  receiver.ask({ kind: 'receive', options: { ...receive, input: 'tcp-listen:127.0.0.1:0' } });
  const { address } = await receiver.expect('listening');
  sender.ask({ kind: 'send', options: { ...send, output: address } });
  const [here, there] = await Promise.all([sender.expect('done'), receiver.expect('done')]);
  return { sender: here, receiver: there };
}
