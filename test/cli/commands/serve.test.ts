// `ramferry serve` and `ramferry status` as processes: the control socket, signals, and systemd's sockets, readiness and watchdog.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { within } from '../../../lab/within.js';
import { precopy } from '../../grammar/support/qemu-streams.js';
import { arriving, directory, leaving } from '../../serve/support.js';
import { Command, MAIN, run } from '../command.js';

const LIMIT = { timeout: 120_000 };
const MANAGER = join(import.meta.dirname, '../../../../test/serve/service_manager.py');
const hasPython = spawnSync('python3', ['-c', '']).status === 0;
const stream = Buffer.from(precopy(1, 3, 200).bytes);

interface Pair {
  readonly destination: Command;
  readonly source: Command;
  readonly at: string;
}

async function pair(...more: string[]): Promise<Pair> {
  const at = directory();
  fs.mkdirSync(`${at}/in`);
  fs.mkdirSync(`${at}/out`);
  const incoming = ['--incoming', `unix:${at}/in/{name}.sock`, '--listen', `unix:${at}/link`];
  const destination = new Command(['serve', ...incoming, '--control', `unix:${at}/control`, ...more]);
  await destination.says(/listening on unix:.*link/);
  const outgoing = ['--outgoing', `unix-listen:${at}/out/{name}.sock`, '--connect', `unix:${at}/link`];
  const source = new Command([
    'serve',
    ...outgoing,
    '--control',
    `unix:${at}/control-source`,
    '--guest',
    'web1',
  ]);
  await source.says(/listening on unix:.*web1/);
  after(() => {
    destination.kill();
    source.kill();
  });
  return { destination, source, at };
}

describe('ramferry serve', LIMIT, () => {
  it('carries a guest, reports it, and ends with status 0 on SIGTERM', async () => {
    const { destination, source, at } = await pair();
    const arrived = arriving(`${at}/in/web1.sock`);
    (await leaving(`${at}/out/web1.sock`)).end(stream);
    assert.ok((await arrived).equals(stream));
    await destination.says(/web1 incoming: completed/);
    await source.says(/web1 outgoing: completed/);
    const text = await run(['status', '--control', `unix:${at}/control`]);
    assert.equal(text.status, 0);
    assert.match(String(text.stdout), /1 completed, 0 failed/);
    const json = await run(['status', '--json', '--control', `${at}/control-source`]);
    const status = JSON.parse(String(json.stdout)) as {
      message_type: string;
      recent: { name: string; status: string }[];
    };
    assert.equal(status.message_type, 'server');
    assert.deepEqual(
      status.recent.map(({ name, status: outcome }) => [name, outcome]),
      [['web1', 'completed']],
    );
    for (const command of [destination, source]) {
      command.process.kill('SIGTERM');
      assert.equal((await command.ended).status, 0);
    }
    assert.deepEqual(fs.readdirSync(at).sort(), ['in', 'out'], 'no socket is left');
  });

  it('opens and closes sockets of guests by ramferry status', async () => {
    const { at } = await pair();
    const control = ['--control', `unix:${at}/control-source`];
    const opened = await run(['status', ...control, '--open', 'web2']);
    assert.equal(opened.status, 0, opened.stderr);
    assert.match(String(opened.stdout), /web1, web2/);
    assert.ok(fs.existsSync(`${at}/out/web2.sock`));
    assert.equal((await run(['status', ...control, '--close', 'web2'])).status, 0);
    assert.ok(!fs.existsSync(`${at}/out/web2.sock`));
    const again = await run(['status', ...control, '--close', 'web2']);
    assert.equal(again.status, 2);
    assert.match(again.stderr, /ERR_OPTION_INVALID.*no socket/);
    assert.equal(fs.statSync(`${at}/control`).mode & 0o777, 0o600);
  });

  it('aborts a running transfer on the second SIGTERM, status 143', async () => {
    const { destination, source, at } = await pair();
    arriving(`${at}/in/web1.sock`).catch(() => undefined);
    (await leaving(`${at}/out/web1.sock`)).write(stream.subarray(0, 10_000));
    for (;;) {
      const { stdout } = await run(['status', '--json', '--control', `${at}/control`]);
      if (stdout.includes('"state":"running"')) break;
    }
    destination.process.kill('SIGTERM');
    for (;;) {
      const { stdout } = await run(['status', '--json', '--control', `${at}/control`]);
      if (stdout.includes('"state":"draining"')) break;
    }
    destination.process.kill('SIGTERM');
    assert.equal((await destination.ended).status, 143);
    await source.says(/web1 outgoing: failed.*ERR_TERMINATED/);
  });

  it('says that no server answers', async () => {
    const { status, stderr } = await run(['status', '--control', `unix:${directory()}/none`]);
    assert.equal(status, 4);
    assert.match(stderr, /ERR_LINK_CONNECT: no server answers/);
  });
});

describe('ramferry serve under systemd', { ...LIMIT, skip: hasPython ? false : 'no python3' }, () => {
  it('takes the sockets it is given, says when it is ready, and feeds the watchdog', async () => {
    const at = directory();
    const serve = ['serve', '--incoming', `unix:${at}/{name}.sock`, '--listen', `unix:${at}/link`];
    const command = [process.execPath, MAIN, ...serve, '--control', `unix:${at}/control`];
    const manager = spawn('python3', [MANAGER, at, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    after(() => manager.kill());
    let said = '';
    manager.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    const says = (word: string): Promise<void> =>
      within(
        word,
        (async () => {
          while (!said.includes(word)) await once(manager.stdout, 'data');
        })(),
        () => manager.kill(),
        60_000,
      );
    await says('READY=1');
    await says('WATCHDOG=1');
    await says('STATUS=serving: 0 running, 0 waiting, 0 completed, 0 failed');
    const { stdout, stderr } = await run(['status', '--control', `unix:${at}/control`]);
    assert.match(String(stdout), /serving/, stderr);
    const ended = once(manager, 'exit') as Promise<[number]>;
    manager.kill('SIGTERM');
    assert.equal((await within('the end', ended, () => manager.kill('SIGKILL')))[0], 0);
    assert.match(said, /STOPPING=1/);
    assert.ok(fs.existsSync(`${at}/link`), 'the manager owns its sockets');
  });
});

describe('ramferry receive under systemd', { ...LIMIT, skip: hasPython ? false : 'no python3' }, () => {
  it('is ready when it listens, and shows its progress', async () => {
    const at = directory();
    const command = [process.execPath, MAIN, 'receive', `unix-listen:${at}/guest`, `${at}/restored`];
    const manager = spawn('python3', [MANAGER, at, ...command], { stdio: ['ignore', 'pipe', 'ignore'] });
    after(() => manager.kill());
    let said = '';
    manager.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(manager, 'exit') as Promise<[number]>;
    while (!said.includes('READY=1')) await once(manager.stdout, 'data');
    const image = `${at}/image`;
    fs.writeFileSync(image, randomBytes(1 << 20));
    const sent = await run(['send', image, `unix:${at}/guest`, '--quiet', '--max-bandwidth', '1MB']);
    assert.equal(sent.status, 0, sent.stderr);
    assert.equal((await within('the end', ended, () => manager.kill('SIGKILL')))[0], 0);
    assert.match(said, /^STATUS=.* -> .*\/s/m);
    assert.match(said, /^WATCHDOG=1$/m);
    assert.equal(said.match(/READY=1/g)?.length, 1);
  });
});
