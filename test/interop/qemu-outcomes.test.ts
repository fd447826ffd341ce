// The reports of `send`, `receive` and both QEMUs in each case of the table in docs/INTEGRATION.md. The guests are
// firmware only. When the rule says that the source continues, no case may leave a destination that could run.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { BareMachine, missingQemu } from '../../lab/qemu/bare-machine.js';
import { scratchDirectory, type Scratch } from '../../lab/cleanup.js';
import { Ferry, type FerryEnd } from '../../lab/ferry.js';

const LIMIT = { timeout: 180_000 };
/** Bytes a second. At this rate RAM takes seconds, so that the tests act in the middle of it. */
const SLOW = 200_000;
/** Arguments for a device that only the source has. */
const RNG = ['-device', 'virtio-rng-pci'];

interface Reported {
  readonly status?: string;
  readonly code?: string;
  readonly message?: string;
  readonly 'stream-end'?: string;
}

/** The last JSON line of this type. */
function reported({ output }: FerryEnd, type: 'summary' | 'error' | 'warning'): Reported | undefined {
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  const parsed = lines.map((line) => JSON.parse(line) as Reported & { message_type: string });
  return parsed.reverse().find(({ message_type: each }) => each === type);
}

describe('the outcome of a migration of QEMU', { skip: missingQemu() }, () => {
  let scratch: Scratch;
  const ferries: Ferry[] = [];
  const machines: BareMachine[] = [];
  const path = (name: string): string => join(scratch.path, name);

  beforeEach(() => {
    scratch = scratchDirectory();
  });
  afterEach(async () => {
    for (const ferry of ferries.splice(0)) ferry.kill();
    for (const machine of machines.splice(0)) await machine.dispose();
    scratch.remove();
  });

  async function machine(
    name: string,
    args: readonly string[],
    incoming?: string,
    type = 'q35',
  ): Promise<BareMachine> {
    const started = await BareMachine.start({
      ...{ name, directory: scratch.path, machine: type, memoryMiB: 256, args },
      ...(incoming === undefined ? {} : { incoming }),
    });
    machines.push(started);
    return started;
  }

  function ferry(...args: readonly string[]): Ferry {
    const started = new Ferry(args);
    ferries.push(started);
    return started;
  }

  /** Starts source, destination (paused after the migration) and both ends of ramferry, ready for `migrate`. */
  async function prepare(capabilities: readonly string[], sourceArgs: readonly string[] = []) {
    const destination = await machine('destination', ['-S'], 'defer');
    const source = await machine('source', sourceArgs);
    await source.capabilities(...capabilities);
    await destination.capabilities(...capabilities);
    await destination.qmp.execute('migrate-incoming', { uri: `unix:${path('in')}` });
    const receive = ferry('receive', 'tcp-listen:127.0.0.1:0', `unix:${path('in')}`);
    const send = ferry('send', `unix-listen:${path('out')}`, await receive.listening());
    await send.listening();
    return { source, destination, send, receive, uri: `unix:${path('out')}` };
  }

  async function inTheMiddleOfRam(source: BareMachine): Promise<void> {
    await source.migrationUntil(({ status, ram }) => status === 'active' && (ram?.transferred ?? 0) > 50_000);
  }

  for (const capabilities of [[], ['return-path']]) {
    const how = capabilities.length === 0 ? 'without return-path' : 'with return-path';

    it(`is completed at both ends, ${how}`, LIMIT, async () => {
      const { source, destination, send, receive, uri } = await prepare(capabilities);
      await source.migrate(uri);
      assert.equal(await source.migrationEnd(), 'completed');
      const [sent, received] = await Promise.all([send.ended, receive.ended]);
      assert.deepEqual([sent.status, received.status], [0, 0], sent.output + received.output);
      assert.equal(reported(sent, 'summary')?.['stream-end'], 'seen');
      assert.equal(reported(sent, 'warning'), undefined);
      await destination.migrationUntil(({ status }) => status === 'completed');
      assert.equal(await destination.runState(), 'paused');
      await destination.qmp.execute('cont');
      assert.equal(await destination.runState(), 'running');
      assert.equal(await source.runState(), 'postmigrate');
    });

    it(`is incomplete, cancelled in the middle of RAM, ${how}`, LIMIT, async () => {
      const { source, destination, send, receive, uri } = await prepare(capabilities);
      await source.migrate(uri, SLOW);
      await inTheMiddleOfRam(source);
      await source.qmp.execute('migrate_cancel');
      const [sent, received] = await Promise.all([send.ended, receive.ended]);
      assert.equal(sent.status, 9, sent.output);
      assert.equal(reported(sent, 'error')?.status, 'incomplete');
      assert.ok(received.status !== 0, received.output);
      assert.equal(await source.migrationEnd(), 'cancelled');
      assert.equal(await source.runState(), 'running');
      assert.equal((await destination.ended).status, 1, 'the destination quits by itself');
    });
  }

  it('is incomplete, the source killed in the middle of RAM, and no file is published', LIMIT, async () => {
    const source = await machine('source', []);
    const send = ferry('send', `unix-listen:${path('out')}`, path('guest.rf'));
    await send.listening();
    await source.migrate(`unix:${path('out')}`, SLOW);
    await inTheMiddleOfRam(source);
    source.process.kill('SIGKILL');
    const sent = await send.ended;
    assert.equal(sent.status, 9, sent.output);
    assert.equal(reported(sent, 'error')?.code, 'ERR_INPUT_INCOMPLETE');
    assert.ok(!existsSync(path('guest.rf')));
  });

  it('is failed at the source, the destination lacks a device, with return-path', LIMIT, async () => {
    const { source, destination, send, receive, uri } = await prepare(['return-path'], RNG);
    await source.migrate(uri);
    assert.equal(await source.migrationEnd(), 'failed');
    const [sent, received] = await Promise.all([send.ended, receive.ended]);
    assert.ok(sent.status !== 0, sent.output);
    assert.ok(received.status !== 0, received.output);
    assert.equal((await destination.ended).status, 1);
    await source.qmp.execute('cont');
    assert.equal(await source.runState(), 'running');
  });

  it('is an error of the output, the destination lacks a device, without return-path', LIMIT, async () => {
    const { source, destination, send, receive, uri } = await prepare([], RNG);
    await source.migrate(uri);
    // Without the return path the source does not learn of the failure. For this reason the rule requires it.
    assert.equal(await source.migrationEnd(), 'completed');
    const [sent, received] = await Promise.all([send.ended, receive.ended]);
    assert.equal(received.status, 6, received.output);
    assert.equal(reported(received, 'error')?.code, 'ERR_OUTPUT_WRITE');
    // If the destination has received the end of RAM, the sender reports an unknown outcome.
    assert.match(reported(sent, 'error')?.code ?? '', /^ERR_PEER_FAILED$|^ERR_OUTCOME_UNKNOWN$/);
    assert.equal((await destination.ended).status, 1);
  });

  it('is never completed, multifd tried', LIMIT, async () => {
    const { source, destination, send, receive, uri } = await prepare(['multifd']);
    await source.migrate(uri);
    assert.equal(await source.migrationEnd(), 'failed');
    await destination.dispose();
    // The accepted connection is the main one, which QEMU 7.2 may leave open, or a channel. `send` refuses a channel by its first
    // bytes, before it connects: then `receive` still listens.
    const sent = await send.ended;
    assert.ok(sent.status !== 0, sent.output);
    if (reported(sent, 'error')?.code === 'ERR_INPUT_UNKNOWN') receive.kill();
    const received = await receive.ended;
    assert.ok(received.status !== 0, received.output);
    assert.equal(await source.runState(), 'running');
  });

  it('is never completed, postcopy-preempt tried', LIMIT, async () => {
    const { source, destination, send, receive, uri } = await prepare(['postcopy-ram', 'postcopy-preempt']);
    await source.migrate(uri).catch(() => undefined);
    // The destination waits for a second connection and reads nothing. The source may not notice that.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.notEqual((await source.migration()).status, 'completed');
    // By the rule, the destination ends first, then the source continues.
    await destination.dispose();
    const [sent, received] = await Promise.all([send.ended, receive.ended]);
    assert.ok(sent.status !== 0, sent.output);
    assert.ok(received.status !== 0, received.output);
    assert.equal(await source.migrationEnd(), 'failed');
  });

  it('is unseen, gone postcopy, with a warning', LIMIT, async () => {
    const { source, destination, send, receive, uri } = await prepare(['postcopy-ram', 'return-path']);
    await source.migrate(uri, SLOW);
    await inTheMiddleOfRam(source);
    await source.qmp.execute('migrate-start-postcopy');
    assert.equal(await source.migrationEnd(), 'completed');
    const [sent, received] = await Promise.all([send.ended, receive.ended]);
    assert.deepEqual([sent.status, received.status], [0, 0], sent.output + received.output);
    assert.equal(reported(sent, 'summary')?.['stream-end'], 'unseen');
    assert.match(reported(sent, 'warning')?.message ?? '', /postcopy/);
    assert.equal(await source.runState(), 'postmigrate');
    assert.equal(await destination.runState(), 'paused');
  });

  it('is unseen, the machine writes no description', LIMIT, async () => {
    const source = await machine('source', [], undefined, 'q35,suppress-vmdesc=on');
    const send = ferry('send', `unix-listen:${path('out')}`, path('guest.rf'));
    await send.listening();
    await source.migrate(`unix:${path('out')}`);
    const sent = await send.ended;
    assert.equal(sent.status, 0, sent.output);
    assert.equal(reported(sent, 'summary')?.['stream-end'], 'unseen');
    assert.match(reported(sent, 'warning')?.message ?? '', /description/);
  });

  it('is incomplete, a migration that is cancelled at once', LIMIT, async () => {
    const source = await machine('source', []);
    const send = ferry('send', `unix-listen:${path('out')}`, path('guest.rf'));
    await send.listening();
    let sent: FerryEnd | undefined;
    // QEMU connects in the background. If it is cancelled before that, it never connects, and `send` still listens.
    while (sent === undefined) {
      await source.migrate(`unix:${path('out')}`, 1_000);
      await source.qmp.execute('migrate_cancel');
      await source.migrationEnd();
      sent = await Promise.race([send.ended, sleep(3_000, undefined)]);
    }
    assert.equal(sent.status, 9, sent.output);
    assert.ok(!existsSync(path('guest.rf')));
  });
});
