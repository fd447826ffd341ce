// The time limits of the conversation, with a clock that the test turns: minutes that nobody waits for.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it, type TestContext } from 'node:test';
import { RamferryError } from '../../src/errors.js';
import { EmuArguments } from '../../src/hypervisor/emu-arguments.js';
import type { Carrier } from '../../src/hypervisor/emu-engine.js';
import { EmuFront } from '../../src/hypervisor/emu-front.js';
import type { EmuExit } from '../../src/hypervisor/emu-process.js';
import type { ByteSink, ByteSource } from '../../src/io/bytes.js';
import { Statistics } from '../../src/migration/statistics.js';

/** Lines in memory: what is written can be read. */
class Channel {
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  text = '';
  readonly sink: ByteSink = {
    label: 'memory',
    write: (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.text += Buffer.from(bytes).toString();
      this.#wake();
      return Promise.resolve();
    },
    queued: () => 0,
    finish: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
  readonly source: ByteSource = {
    label: 'memory',
    read: async (target) => {
      while (this.#bytes.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      const taken = this.#bytes.copy(target);
      this.#bytes = this.#bytes.subarray(taken);
      return taken;
    },
    close: () => Promise.resolve(),
  };

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

/** Everything that can happen without time passing has happened. */
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
  killed = false;
  exit!: (exit: EmuExit) => void;

  constructor(context: TestContext, words: string) {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { request } = new EmuArguments(`-controlinfd 3 -controloutfd 4 -fd 5 ${words}`.split(' '));
    const exited = new Promise<EmuExit>((resolve) => (this.exit = resolve));
    const kill = (): void => {
      this.killed = true;
      this.exit({ status: null, signal: 'SIGKILL' });
    };
    const front = new EmuFront({
      request: request!,
      commands: this.commands.source,
      answers: this.answers.sink,
      real: { output: this.fromReal.source, input: this.toReal.sink, exited, kill },
      memory: this.memory,
      vgpu: undefined,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    void front.run().then((status) => (this.status = status));
  }
}

const SHARED = '-mode save -compress true -dm vgpu:5';

describe('the time limits of a conversation', () => {
  it('give up a prepare:vgpu that is held back before emu-manager’s 120 s are over', async (context) => {
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
    // Its further lines are not xenopsd's.
    all.fromReal.say('error:error code -62');
    all.exit({ status: 2, signal: null });
    await settled();
    assert.match(all.answers.text, /^error:ramferry: ERR_LINK_TIMEOUT: [^\n]*within 110 s[^\n]*\n$/);
    assert.equal(all.status, 2);
  });

  it('leave emu-manager the time that it needs to stop xenguest, and no more', async (context) => {
    const all = new Conversation(context, SHARED);
    all.fromReal.say('prepare:vgpu');
    await settled();
    context.mock.timers.tick(111_000);
    await settled();
    context.mock.timers.tick(74_000);
    await settled();
    assert.equal(all.killed, false);
    assert.equal(all.status, undefined);
    context.mock.timers.tick(2_000);
    await settled();
    assert.equal(all.killed, true);
    assert.equal(all.status, 2);
  });

  it('hold a result back for as long as it takes', async (context) => {
    const all = new Conversation(context, '-mode save -live true -compress true');
    all.fromReal.say('result:0 0');
    await settled();
    context.mock.timers.tick(3_600_000);
    await settled();
    assert.equal(all.answers.text, '');
    assert.equal(all.status, undefined);
  });

  it('end an abort within a second, whatever emu-manager does', async (context) => {
    const all = new Conversation(context, '-mode save -live true -compress true');
    all.commands.say('abort');
    await settled();
    assert.equal(all.memory.dropped?.code, 'ERR_INTERRUPTED');
    assert.equal(all.toReal.text, 'abort\n');
    context.mock.timers.tick(999);
    await settled();
    assert.equal(all.status, 0);
    assert.equal(all.answers.text, '');
  });

  it('an abort that comes while our own failure is being cleared up is obeyed', async (context) => {
    const all = new Conversation(context, SHARED);
    all.fromReal.say('prepare:vgpu');
    await settled();
    context.mock.timers.tick(111_000);
    await settled();
    all.commands.say('abort');
    await settled();
    context.mock.timers.tick(999);
    await settled();
    assert.equal(all.status, 0);
    assert.equal(all.answers.text, '');
  });
});
