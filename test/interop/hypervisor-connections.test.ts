// QEMU opens several connections for one migration: multifd channels, a channel for urgent pages of postcopy, a new main stream after a broken postcopy.
// `send` and `receive` carry each, and the guest's memory arrives. A guest of firmware only: its memory comes from a file.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { scratchDirectory } from '../../lab/cleanup.js';
import { Ferry, type FerryEnd } from '../../lab/ferry.js';
import { BareMachine, missingQemu } from '../../lab/qemu/bare-machine.js';
import { MIB } from '../../src/units.js';
import { image } from '../transfer/support/carry.js';

const MEMORY_AT = 16 * MIB;
const MEMORY = image(24 * MIB);
const LIMIT = { timeout: 100_000 };

interface Summary {
  readonly 'stream-end'?: string;
  readonly 'opaque-because'?: string;
  readonly 'opaque-hint'?: string;
  readonly ram: { readonly total: number; readonly transferred: number };
  readonly channels?: readonly {
    readonly total: number;
    readonly identified?: number;
    readonly anonymous?: number;
  }[];
}

describe('a QEMU with several connections', { skip: missingQemu() }, () => {
  const scratch = scratchDirectory();
  const at = (name: string): string => join(scratch.path, name);
  const machines: BareMachine[] = [];
  before(() => writeFileSync(at('memory'), MEMORY));
  after(async () => {
    await Promise.all(machines.map((machine) => machine.dispose()));
    scratch.remove();
  });

  async function start(name: string, incoming?: string): Promise<BareMachine> {
    const loader = ['-device', `loader,file=${at('memory')},addr=${MEMORY_AT},force-raw=on`];
    const machine = await BareMachine.start({
      name,
      directory: scratch.path,
      args: [...(incoming === undefined ? loader : []), '-S'],
      ...(incoming === undefined ? {} : { incoming }),
    });
    machines.push(machine);
    return machine;
  }

  interface Voyage {
    readonly source: BareMachine;
    readonly destination: BareMachine;
    readonly send: Ferry;
    readonly receive: Ferry;
    readonly uri: string;
    readonly incoming: string;
  }

  async function prepare(
    name: string,
    capabilities: readonly string[],
    parameters: Readonly<Record<string, unknown>> = {},
    connections = 3,
  ): Promise<Voyage> {
    const incoming = `unix:${at(`${name}.in`)}`;
    const source = await start(`${name}-source`);
    const destination = await start(`${name}-destination`, 'defer');
    for (const machine of [source, destination]) {
      await machine.capabilities('return-path', ...capabilities);
      await machine.qmp.execute('migrate-set-parameters', parameters);
    }
    await destination.qmp.execute('migrate-incoming', { uri: incoming });
    const several = `--hypervisor-connections=${connections}`;
    const receive = new Ferry(['receive', several, 'tcp-listen:127.0.0.1:0', incoming]);
    const link = await receive.listening();
    const send = new Ferry(['send', several, '--codec=zstd', `unix-listen:${at(`${name}.out`)}`, link]);
    await send.listening();
    return { source, destination, send, receive, uri: `unix:${at(`${name}.out`)}`, incoming };
  }

  async function assertArrived({ source, destination, send, receive }: Voyage): Promise<Summary> {
    assert.equal(await source.migrationEnd(), 'completed');
    assert.equal(await destination.migrationEnd(), 'completed');
    const [sent, received] = await Promise.all([send.ended, receive.ended]);
    assert.deepEqual([sent.status, received.status], [0, 0], sent.output + received.output);
    await destination.qmp.execute('pmemsave', {
      val: MEMORY_AT,
      size: MEMORY.length,
      filename: at('arrived'),
    });
    assert.ok(readFileSync(at('arrived')).equals(MEMORY));
    return summaryOf(sent);
  }

  it('arrives over two multifd channels, with its pages named', LIMIT, async () => {
    const voyage = await prepare('none', ['multifd'], { 'multifd-channels': 2 });
    await voyage.source.migrate(voyage.uri);
    const summary = await assertArrived(voyage);
    assert.equal(summary['stream-end'], 'seen');
    assert.equal(summary['opaque-because'], undefined);
    assert.equal(summary.channels?.length, 3);
    const [, first, second] = summary.channels;
    for (const channel of [first, second]) {
      assert.ok(channel!.identified! > 500, JSON.stringify(summary.channels));
      assert.equal(channel!.anonymous, 0);
    }
  });

  it(
    'arrives over four multifd channels that QEMU compresses, and says what to turn off',
    LIMIT,
    async () => {
      const parameters = { 'multifd-channels': 4, 'multifd-compression': 'zstd' };
      const voyage = await prepare('zstd', ['multifd'], parameters, 5);
      await voyage.source.migrate(voyage.uri);
      const summary = await assertArrived(voyage);
      assert.equal(summary.channels?.length, 5);
      assert.match(summary['opaque-because'] ?? '', /zstd/);
      assert.match(summary['opaque-hint'] ?? '', /multifd-compression/);
    },
  );

  it('goes postcopy with a channel of its own for urgent pages', LIMIT, async () => {
    const voyage = await prepare('preempt', ['postcopy-ram', 'postcopy-preempt']);
    await voyage.source.migrate(voyage.uri, SLOW);
    await inTheMiddleOfRam(voyage.source);
    await voyage.source.qmp.execute('migrate-start-postcopy');
    await voyage.source.qmp.execute('migrate-set-parameters', { 'max-postcopy-bandwidth': 0 });
    const summary = await assertArrived(voyage);
    assert.equal(summary['stream-end'], 'unseen');
    assert.equal(summary.channels?.length, 2);
  });

  it('goes on with a new connection after a broken postcopy', LIMIT, async () => {
    const voyage = await prepare('recovery', ['postcopy-ram']);
    const { source, destination, send, uri, incoming } = voyage;
    await source.qmp.execute('migrate-set-parameters', { 'max-postcopy-bandwidth': SLOW });
    await source.migrate(uri, SLOW);
    await inTheMiddleOfRam(source);
    await source.qmp.execute('migrate-start-postcopy');
    await source.migrationUntil(({ status }) => status === 'postcopy-active');
    await source.qmp.execute('migrate-pause');
    await source.migrationUntil(({ status }) => status === 'postcopy-paused');
    await destination.migrationUntil(({ status }) => status === 'postcopy-paused');
    await send.says(/postcopy broke off/);
    await destination.qmp.execute('migrate-recover', { uri: incoming });
    await source.qmp.execute('migrate-set-parameters', { 'max-postcopy-bandwidth': 0 });
    await source.qmp.execute('migrate', { uri, resume: true });
    await assertArrived(voyage);
  });
});

/** Bytes a second: the memory takes some seconds. */
const SLOW = 8 * MIB;

/** Resolves when a part of RAM has left. */
async function inTheMiddleOfRam(source: BareMachine): Promise<void> {
  await source.migrationUntil(({ ram }) => (ram?.transferred ?? 0) > 4 * MIB);
}

function summaryOf({ output }: FerryEnd): Summary {
  const lines = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { message_type?: string });
  return lines.find((line) => line.message_type === 'summary') as unknown as Summary;
}
