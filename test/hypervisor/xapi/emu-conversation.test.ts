// The time limits of the conversation, with the test's own clock, so that the minutes pass at once.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it, type TestContext } from 'node:test';
import { RamferryError } from '../../../src/errors.js';
import { EmuArguments } from '../../../src/hypervisor/xapi/emu-arguments.js';
import type { Carrier } from '../../../src/hypervisor/xapi/emu-engine.js';
import { EmuFront } from '../../../src/hypervisor/xapi/emu-front.js';
import type { EmuExit } from '../../../src/hypervisor/xapi/emu-process.js';
import type { ByteSink, ByteSource } from '../../../src/io/bytes.js';
import { Statistics } from '../../../src/transfer/statistics/statistics.js';

/** Lines in memory: a reader gets what was written. */
class Channel {
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  text = '';
  ended = false;
  readonly sink: ByteSink = {
    label: 'memory',
    write: (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.text += Buffer.from(bytes).toString();
      this.#wake();
      return Promise.resolve();
    },
    queued: () => 0,
    finish: () => {
      this.end();
      return Promise.resolve();
    },
    abort: () => Promise.resolve(),
  };
  readonly source: ByteSource = {
    label: 'memory',
    read: async (target) => {
      while (this.#bytes.length === 0 && !this.ended)
        await new Promise<void>((resolve) => (this.#wake = resolve));
      const taken = this.#bytes.copy(target);
      this.#bytes = this.#bytes.subarray(taken);
      return taken;
    },
    close: () => Promise.resolve(),
  };

  end(): void {
    this.ended = true;
    this.#wake();
  }

  say(line: string): void {
    void this.sink.write(Buffer.from(`${line}\n`));
  }
}

/** A stream that never arrives. */
class Stuck implements Carrier {
  readonly statistics = new Statistics();
  readonly started = true;
  readonly emulatorGone = false;
  readonly delivered = new Promise<void>(() => undefined);
  dropped: RamferryError | undefined;
  get isDropped(): boolean {
    return this.dropped !== undefined;
  }
  start(): void {
    // from the beginning
  }
  surplus(): number {
    return 0;
  }
  drop(reason: RamferryError): void {
    this.dropped = reason;
  }
}

/** Resolves when all pending microtasks and I/O callbacks have run; no time passes. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

class Conversation {
  readonly commands = new Channel();
  readonly answers = new Channel();
  readonly toReal = new Channel();
  readonly fromReal = new Channel();
  readonly memory = new Stuck();
  status: number | undefined;
  readonly signals: NodeJS.Signals[] = [];
  readonly front: EmuFront;
  exit!: (exit: EmuExit) => void;

  constructor(context: TestContext, words: string) {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { request } = new EmuArguments(`-controlinfd 3 -controloutfd 4 -fd 5 ${words}`.split(' '));
    const exited = new Promise<EmuExit>((resolve) => (this.exit = resolve));
    const kill = (signal: NodeJS.Signals): void => void this.signals.push(signal);
    this.front = new EmuFront({
      request: request!,
      commands: this.commands.source,
      answers: this.answers.sink,
      real: { output: this.fromReal.source, input: this.toReal.sink, exited, kill },
      memory: this.memory,
      vgpu: undefined,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    void this.front.run().then((status) => (this.status = status));
  }
}

const SHARED = '-mode save -compress true -dm vgpu:5';

describe('EmuFront: time limits', () => {
  it('gives up a held prepare:vgpu before emu-manager’s 120 s are over', async (context) => {
    const all = new Conversation(context, SHARED);
    all.fromReal.say('prepare:vgpu');
    await settled();
    context.mock.timers.tick(109_000);
    await settled();
    assert.equal(all.answers.text, '');
    context.mock.timers.tick(2_000);
    await settled();
    assert.equal(all.toReal.text, 'abort\n');
    assert.equal(all.memory.dropped?.code, 'ERR_LINK_TIMEOUT');
    // Its further lines do not reach xenopsd.
    all.fromReal.say('error:error code -62');
    all.exit({ status: 2, signal: null });
    await settled();
    assert.match(all.answers.text, /^error:ramferry: ERR_LINK_TIMEOUT: [^\n]*within 110 s[^\n]*\n$/);
    assert.equal(all.status, 2);
  });

  it('reports a failure to xenopsd after at most 75 s, and still waits for emu-manager', async (context) => {
    const all = new Conversation(context, SHARED);
    all.fromReal.say('prepare:vgpu');
    await settled();
    context.mock.timers.tick(111_000);
    await settled();
    context.mock.timers.tick(74_000);
    await settled();
    assert.equal(all.status, undefined);
    assert.equal(all.answers.text, '');
    context.mock.timers.tick(2_000);
    await settled();
    assert.match(all.answers.text, /^error:ramferry: ERR_LINK_TIMEOUT: [^\n]*\n$/);
    context.mock.timers.tick(3_600_000);
    await settled();
    // A killed emu-manager would leave xenguest behind, and the front's end would mean that xenguest is gone.
    assert.deepEqual(all.signals, []);
    assert.equal(all.status, undefined);
    all.exit({ status: 0, signal: null });
    await settled();
    assert.equal(all.status, 2);
    assert.equal(all.answers.text.split('\n').length, 2);
  });

  it('holds a result without a limit', async (context) => {
    const all = new Conversation(context, '-mode save -live true -compress true');
    all.fromReal.say('result:0 0');
    await settled();
    context.mock.timers.tick(3_600_000);
    await settled();
    assert.equal(all.answers.text, '');
    assert.equal(all.status, undefined);
  });

  it('ends after an abort when emu-manager has ended, without a limit', async (context) => {
    const all = new Conversation(context, '-mode save -live true -compress true');
    all.commands.say('abort');
    await settled();
    assert.equal(all.memory.dropped?.code, 'ERR_INTERRUPTED');
    assert.equal(all.toReal.text, 'abort\n');
    all.fromReal.say('info:still here');
    context.mock.timers.tick(3_600_000);
    await settled();
    assert.equal(all.status, undefined);
    all.exit({ status: 0, signal: null });
    await settled();
    assert.equal(all.status, 0);
    assert.equal(all.answers.text, '');
    assert.deepEqual(all.signals, []);
  });

  it('obeys an abort during the clean-up of its own failure', async (context) => {
    const all = new Conversation(context, SHARED);
    all.fromReal.say('prepare:vgpu');
    await settled();
    context.mock.timers.tick(111_000);
    await settled();
    all.commands.say('abort');
    await settled();
    context.mock.timers.tick(999);
    await settled();
    assert.equal(all.status, undefined);
    all.exit({ status: 0, signal: null });
    await settled();
    assert.equal(all.status, 0);
    assert.equal(all.answers.text, '');
    assert.equal(all.toReal.text, 'abort\n');
  });
});

describe('EmuFront: end of the control channel', () => {
  it('closes emu-manager’s channel, drops a held result and fails', async (context) => {
    const all = new Conversation(context, '-mode save -live true -compress true');
    all.fromReal.say('result:0 0');
    await settled();
    all.commands.end();
    await settled();
    assert.equal(all.toReal.text, '');
    assert.ok(all.toReal.ended);
    assert.equal(all.memory.dropped?.code, 'ERR_LINK_CLOSED');
    assert.equal(all.status, undefined);
    all.exit({ status: 0, signal: null });
    await settled();
    context.mock.timers.tick(1_000);
    await settled();
    assert.match(all.answers.text, /^error:ramferry: ERR_LINK_CLOSED: [^\n]*\n$/);
    assert.equal(all.status, 2);
  });

  it('drops the streams only when the end has reached emu-manager', async (context) => {
    const all = new Conversation(context, '-mode restore');
    let reach: () => void = () => undefined;
    context.mock.method(all.toReal.sink, 'finish', () => new Promise<void>((resolve) => (reach = resolve)));
    all.commands.end();
    await settled();
    assert.ok(!all.memory.isDropped);
    reach();
    await settled();
    assert.equal(all.memory.dropped?.code, 'ERR_LINK_CLOSED');
  });

  it('takes last line and status from the real emu-manager', async (context) => {
    const all = new Conversation(context, '-mode restore');
    all.commands.end();
    await settled();
    all.fromReal.say('error:Invalid argument');
    await settled();
    assert.equal(all.answers.text, 'error:Invalid argument\n');
    all.exit({ status: 1, signal: null });
    await settled();
    context.mock.timers.tick(1_000);
    await settled();
    assert.equal(all.answers.text, 'error:Invalid argument\n');
    assert.equal(all.status, 1);
  });
});

describe('EmuFront: signals', () => {
  it('fails at the first signal, and passes later ones to emu-manager', async (context) => {
    const all = new Conversation(context, SHARED);
    all.front.signalled('SIGTERM');
    await settled();
    assert.equal(all.toReal.text, 'abort\n');
    assert.deepEqual(all.signals, []);
    all.front.signalled('SIGINT');
    assert.deepEqual(all.signals, ['SIGINT']);
    all.exit({ status: null, signal: 'SIGINT' });
    await settled();
    assert.match(all.answers.text, /^error:ramferry: ERR_TERMINATED: ended by SIGTERM\n$/);
    assert.equal(all.status, 2);
  });
});
