// Commands as links, with a real shell: their exit status decides the outcome, and they end with ramferry.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RamferryError } from '../../src/errors.js';
import { openInput, openOutput } from '../../src/link/open.js';
import {
  nodeArguments,
  pattern,
  readAll,
  rejectsWith,
  sinkOf,
  sourceOf,
  temporaryDirectory,
  WITHOUT_KOFFI,
} from './support.js';

const directory = temporaryDirectory();
const exec = (command: string): { kind: 'exec'; command: string } => ({ kind: 'exec', command });

async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    // A zombie is dead, too: its parent has not waited for it yet.
    if (/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))) return;
    await sleep(10);
  }
  assert.fail(`process ${pid} still runs`);
}

async function readPid(file: string): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    if (text.endsWith('\n')) return Number(text);
    await sleep(10);
  }
  return assert.fail('the command did not start');
}

describe('exec: link', () => {
  it('writes to the command and reads from it', async () => {
    const file = path.join(directory, 'copy');
    const sent = pattern(1_000_001);
    const output = await openOutput(exec(`cat > '${file}'`));
    assert.equal(output.duplex, false);
    await sinkOf(output).write(sent);
    await sinkOf(output).finish();
    assert.ok(fs.readFileSync(file).equals(sent));
    const input = await openInput(exec(`cat '${file}'`));
    assert.ok((await readAll(sourceOf(input))).equals(sent));
    await sourceOf(input).close();
  });

  it('lets the command open /dev/stdin and /dev/stdout', async () => {
    const file = path.join(directory, 'devices');
    const output = await openOutput(exec(`cat /dev/stdin > '${file}'`));
    await sinkOf(output).write(Buffer.from('through'));
    await sinkOf(output).finish();
    const input = await openInput(exec(`cat '${file}' > /dev/stdout`));
    assert.equal((await readAll(sourceOf(input))).toString(), 'through');
    await sourceOf(input).close();
  });

  it('fails the input after all its bytes, status not 0', async () => {
    const input = await openInput(exec('SECRET=1 printf abc; exit 3'));
    const target = new Uint8Array(10);
    assert.equal(await sourceOf(input).read(target), 3);
    await assert.rejects(sourceOf(input).read(target), (thrown) => {
      assert.ok(thrown instanceof RamferryError && thrown.code === 'ERR_LINK_COMMAND');
      assert.equal(thrown.message, "the command 'printf' ended with status 3");
      return true;
    });
    await sourceOf(input).close();
  });

  it('fails the output after all its bytes, status not 0', async () => {
    const output = await openOutput(exec('cat > /dev/null; exit 9'));
    await sinkOf(output).write(pattern(10));
    await rejectsWith(sinkOf(output).finish(), 'ERR_LINK_COMMAND', /status 9/);
  });

  it('explains a broken pipe by status or signal', async () => {
    const big = pattern(1 << 20);
    const output = await openOutput(exec('exit 4'));
    await rejectsWith(sinkOf(output).write(big), 'ERR_LINK_COMMAND', /'exit' ended with status 4/);
    const killed = await openOutput(exec('kill -KILL $$'));
    await rejectsWith(sinkOf(killed).write(big), 'ERR_LINK_COMMAND', /SIGKILL/);
    const lazy = await openOutput(exec('head -c 10 > /dev/null'));
    await rejectsWith(sinkOf(lazy).write(big), 'ERR_LINK_CLOSED');
    const missing = await openOutput(exec('/no/such/program 2>/dev/null'));
    await rejectsWith(sinkOf(missing).finish(), 'ERR_LINK_COMMAND', /status 127/);
  });

  it('kills the command with its children, on abort, close and signal', async () => {
    const line = (file: string): string => `sleep 100 & echo $! > '${file}'; wait`;
    const a = path.join(directory, 'a');
    const output = await openOutput(exec(line(a)));
    const first = await readPid(a);
    await sinkOf(output).abort();
    await gone(first);

    const b = path.join(directory, 'b');
    const input = await openInput(exec(line(b)));
    const second = await readPid(b);
    await sourceOf(input).close();
    await gone(second);

    const c = path.join(directory, 'c');
    const stop = new AbortController();
    const stopped = await openInput(exec(line(c)), { signal: stop.signal });
    const third = await readPid(c);
    const reason = new RamferryError('ERR_TERMINATED', 'told to stop');
    const pending = sourceOf(stopped).read(new Uint8Array(1));
    stop.abort(reason);
    await assert.rejects(pending, (thrown) => thrown === reason);
    await gone(third);
  });

  it('works, no koffi', () => {
    const script = `${WITHOUT_KOFFI}
      const { openInput, openOutput } = await lib('link/open.js');
      const output = await openOutput({ kind: 'exec', command: 'cat > /dev/null' });
      await output.sink.write(Buffer.alloc(1000000));
      await output.sink.finish();
      const input = await openInput({ kind: 'exec', command: 'head -c 1000000 /dev/zero' });
      const target = Buffer.alloc(100000);
      let total = 0;
      for (let count = 1; count > 0; total += count) count = await input.source.read(target);
      await input.source.close();
      console.log(total);
    `;
    const { stdout, stderr } = spawnSync(process.execPath, nodeArguments(script), {
      encoding: 'utf8',
      timeout: 10_000,
    });
    assert.equal(stdout, '1000000\n', stderr);
  });
});
