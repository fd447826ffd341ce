// A QEMU migrates with its return path over a link that is cut twice in the middle: it arrives, and its memory is the same.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { scratchDirectory } from '../../lab/cleanup.js';
import { BareMachine, missingQemu } from '../../lab/qemu/bare-machine.js';
import { MIB } from '../../src/units.js';
import { Command } from '../cli/command.js';
import { BreakingProxy } from '../link/resume/breaking-proxy.js';
import { image } from '../transfer/support/carry.js';

const MEMORY_AT = 16 * MIB;
const MEMORY = image(24 * MIB);

describe('a QEMU over a link that breaks', { skip: missingQemu(), timeout: 120_000 }, () => {
  const scratch = scratchDirectory();
  const at = (name: string): string => join(scratch.path, name);
  const machines: BareMachine[] = [];
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
    await machine.capabilities('return-path');
    return machine;
  }

  it('arrives with the same memory', async () => {
    writeFileSync(at('memory'), MEMORY);
    const source = await start('source');
    const destination = await start('destination', `unix:${at('in.sock')}`);
    const receive = new Command([
      'receive',
      '--reconnect=20s',
      'tcp-listen:127.0.0.1:0',
      `unix:${at('in.sock')}`,
    ]);
    const [, port] = await receive.says(/listening on tcp:127\.0\.0\.1:(\d+)/);
    const proxy = await BreakingProxy.open({ host: '127.0.0.1', port: Number(port) }, [
      { direction: 'forward', at: 5 * MIB, kind: 'reset' },
      { direction: 'forward', at: 12 * MIB, kind: 'end', down: 1_500 },
    ]);
    const link = `tcp:127.0.0.1:${proxy.port}`;
    const send = new Command([
      'send',
      '--reconnect=20s',
      '--codec=none',
      `unix-listen:${at('out.sock')}`,
      link,
    ]);
    await send.says(/listening on/);
    await source.migrate(`unix:${at('out.sock')}`);
    const [sent, received] = await Promise.all([send.ended, receive.ended]);
    proxy.close();
    assert.equal(sent.status, 0, sent.stderr);
    assert.equal(received.status, 0, received.stderr);
    assert.equal(proxy.broken, 2);
    assert.equal(sent.stderr.match(/the link is back/g)?.length, 2, sent.stderr);
    assert.equal(await source.migrationEnd(), 'completed');
    assert.equal(await destination.migrationEnd(), 'completed');
    await destination.qmp.execute('pmemsave', {
      val: MEMORY_AT,
      size: MEMORY.length,
      filename: at('arrived'),
    });
    assert.ok(readFileSync(at('arrived')).equals(MEMORY));
  });
});
