// A process that must end ends, whatever its threads wait for.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

// A thread of libuv's pool writes to a pipe without a reader; process.exit() would wait for it on Node 20.
const BLOCKED = `
  import fs from 'node:fs';
  const { exitNow } = await import(${JSON.stringify(new URL('../../../src/os/process/exit.js', import.meta.url).href)});
  process.on('exit', (code) => fs.writeSync(1, 'handlers ran with ' + code));
  // Descriptor 3 is a FIFO: it has room for 64 KiB, and no reader.
  fs.write(3, Buffer.alloc(1 << 20), () => undefined);
  setTimeout(() => exitNow(7), 100);
`;

function run(prelude: string): { status: number | null; signal: string | null; stdout: string } {
  const script = `exec 3<>"$0.fifo"; rm -f "$0.fifo"; exec "$1" --input-type=module -e "$2"`;
  const name = `/tmp/ramferry-exit-${process.pid}`;
  const line = `mkfifo "$0.fifo" && ${script}`;
  const result = spawnSync('sh', ['-c', line, name, process.execPath, prelude + BLOCKED], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  assert.equal(result.error, undefined, 'the process did not end');
  return { status: result.status, signal: result.signal, stdout: result.stdout };
}

describe('exitNow', () => {
  it('may be called again by its own exit handler', () => {
    const script = `
      const { exitNow } = await import(${JSON.stringify(new URL('../../../src/os/process/exit.js', import.meta.url).href)});
      process.on('exit', () => exitNow(8));
      exitNow(5);`;
    const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 10_000,
    });
    assert.equal(status, 8);
  });

  it('ends the process with its status, thread blocked in a write', () => {
    assert.deepEqual(run(''), { status: 7, signal: null, stdout: 'handlers ran with 7' });
  });

  it('ends the process by SIGKILL, no koffi', () => {
    const without = "process.dlopen = () => { throw new Error('none'); };";
    assert.deepEqual(run(without), { status: null, signal: 'SIGKILL', stdout: 'handlers ran with 7' });
  });
});

describe('exitFinished', () => {
  const modules = ['process/exit', 'libc'].map(
    (name) => new URL(`../../../src/os/${name}.js`, import.meta.url).href,
  );

  for (const loaded of [true, false]) {
    it(`ends a process with an open handle and runs its exit handlers, koffi ${loaded ? '' : 'not '}loaded`, () => {
      const script = `
        import fs from 'node:fs';
        const { exitFinished } = await import('${modules[0]}');
        const { isLibcLoaded, libc } = await import('${modules[1]}');
        if (${loaded}) libc();
        setInterval(() => undefined, 1000);
        process.on('exit', (code) => fs.writeSync(1, code + ' ' + isLibcLoaded()));
        exitFinished(0);`;
      const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        timeout: 10_000,
      });
      assert.deepEqual({ status, stdout }, { status: 0, stdout: `0 ${loaded}` });
    });
  }
});
