// Logs, reports and results that cannot be written, because the disk is full or the reader is stopped or closed. The outcome of
// a transfer stays the same.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { generateImage } from '../../src/image/image.js';
import { Syslog } from '../../src/hypervisor/xapi/syslog.js';
import { libc } from '../../src/os/libc.js';
import { send } from '../../src/index.js';
import { guarded } from '../../src/transfer/statistics/callbacks.js';
import { within } from '../../lab/within.js';
import { Command, MAIN, run } from './command.js';

let directory: string;
let image: string;
let contents: Buffer;
let count = 0;
const fresh = (): string => join(directory, `${count++}`);

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ramferry-reports-'));
  image = join(directory, 'guest.ram');
  contents = Buffer.concat([...generateImage({ bytes: 2 * 1024 * 1024, seed: 3, profile: 'busy' })]);
  await writeFile(image, contents);
  assert.equal((await run(['send', image, `${image}.rf`, '--quiet'])).status, 0);
});
after(() => rm(directory, { recursive: true, force: true }));

/** Runs the command with its output on the given descriptors. Resolves with the exit status. */
async function statusOf(
  args: readonly string[],
  stdout: number | 'ignore',
  stderr: number,
): Promise<unknown> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', stdout, stderr] });
  const ended = once(child, 'exit').then(([status]: unknown[]) => status);
  return within('the command to end', ended, () => child.kill('SIGKILL'), 60_000);
}

describe('--log-file', () => {
  it('does not fail a transfer, full disk', async () => {
    const restored = fresh();
    const ended = await run(['receive', `${image}.rf`, restored, '--log-file', '/dev/full', '--quiet']);
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stderr, /^ramferry: warning: the log file \/dev\/full cannot be written: .*\n$/);
    assert.ok((await readFile(restored)).equals(contents));
  });

  it('does not delay a transfer, FIFO without a reader', async () => {
    const [fifo, restored] = [fresh(), fresh()];
    execFileSync('mkfifo', [fifo]);
    const ended = await run(['receive', `${image}.rf`, restored, '--log-file', fifo]);
    assert.equal(ended.status, 0, ended.stderr);
    assert.ok((await readFile(restored)).equals(contents));
  });

  it('loses lines, full FIFO', async () => {
    const [fifo, restored] = [fresh(), fresh()];
    execFileSync('mkfifo', [fifo]);
    const held = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    fill(held);
    const ended = await run(['receive', `${image}.rf`, restored, '--log-file', fifo, '--quiet']);
    closeSync(held);
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stderr, /the log file .* its lines are lost/);
  });

  it('is refused before the transfer, wrong path', async () => {
    const ended = await run(['receive', `${image}.rf`, fresh(), '--log-file', join(directory, 'no/log')]);
    assert.equal(ended.status, 6);
    assert.match(ended.stderr, /^ramferry: ERR_OUTPUT_OPEN: /);
  });
});

describe('reports on standard output and error', () => {
  it('do not fail a transfer, full disk', async () => {
    const full = openSync('/dev/full', 'w');
    const restored = fresh();
    assert.equal(await statusOf(['receive', `${image}.rf`, restored, '--json'], full, full), 0);
    closeSync(full);
    assert.ok((await readFile(restored)).equals(contents));
  });

  it('do not delay a transfer, full pipe with a stopped reader', async (t) => {
    const ends = libc()?.pipe();
    if (ends === undefined) return t.skip('koffi has no binary for this machine');
    const [reader, writer] = ends;
    // A second file description of the pipe fills it, so the command's blocking description blocks.
    const filler = openSync(`/proc/self/fd/${writer}`, constants.O_WRONLY | constants.O_NONBLOCK);
    fill(filler);
    const restored = fresh();
    assert.equal(await statusOf(['receive', `${image}.rf`, restored, '--json'], writer, writer), 0);
    for (const fd of [reader, writer, filler]) closeSync(fd);
    assert.ok((await readFile(restored)).equals(contents));
  });
});

describe('result on standard output', () => {
  for (const args of [['features'], ['inspect', 'STREAM', '--json']]) {
    it(`fails ${args[0]!} with status 6, full disk or closed reader`, async (t) => {
      const line = args.map((word) => (word === 'STREAM' ? `${image}.rf` : word));
      const errors = fresh();
      const stderr = openSync(errors, 'w');
      const full = openSync('/dev/full', 'w');
      assert.equal(await statusOf(line, full, stderr), 6);
      closeSync(full);
      assert.match(await readFile(errors, 'utf8'), /ERR_OUTPUT_FULL.*standard output/);
      const ends = libc()?.pipe();
      if (ends === undefined) return t.skip('koffi has no binary for this machine');
      closeSync(ends[0]);
      assert.equal(await statusOf(line, ends[1], stderr), 6);
      for (const fd of [ends[1], stderr]) closeSync(fd);
      assert.match(await readFile(errors, 'utf8'), /ERR_OUTPUT_WRITE.*closed by its reader/);
    });
  }
});

describe('callbacks of the library', () => {
  it('do not fail a transfer, callback throws', async () => {
    let called = 0;
    const input = Readable.from(
      (async function* () {
        yield contents.subarray(0, 1 << 20);
        // Waits until the callback has been called, and a little longer: its exception would arrive in that time.
        while (called === 0) await setTimeout(10);
        await setTimeout(10);
        yield contents.subarray(1 << 20);
      })(),
    );
    const summary = await send({
      input,
      output: fresh(),
      onProgress: () => {
        called += 1;
        throw new Error('progress');
      },
    });
    assert.equal(summary.status, 'completed');
    assert.ok(called > 0);
  });

  it('do not end the process, callback rejects', async () => {
    const warning = once(process, 'warning');
    guarded(() => Promise.reject(new Error('listening')))();
    assert.match(String((await warning)[0]), /a callback has failed: listening/);
  });
});

describe('system log', () => {
  it('restarts the logger and loses nothing else, logger dies', async () => {
    const [program, said] = [fresh(), fresh()];
    // A logger that reads one line and exits.
    await writeFile(program, `#!/bin/sh\nread -r line; echo "$line" >> ${said}\n`, { mode: 0o755 });
    const syslog = new Syslog('test', program);
    const lines = async (): Promise<string[]> =>
      (await readFile(said, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    for (let line = 0; (await lines()).length < 2; line++) {
      syslog.write('info', `line ${line}`);
      await setTimeout(20);
    }
    assert.equal((await lines())[0], 'line 0');
  });

  it('is omitted, logger cannot start', () => {
    const syslog = new Syslog('test', '/nonexistent/logger');
    for (let line = 0; line < 3; line++) syslog.write('info', 'text');
  });
});

function fill(fd: number): void {
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(fd, block);
  } catch (thrown) {
    assert.equal((thrown as NodeJS.ErrnoException).code, 'EAGAIN');
  }
}

describe('text from a peer or a program', () => {
  it('stays on one line of the terminal and complete in JSON, in an error', async () => {
    const name = join(directory, 'no\nramferry: done\x1b[2K');
    const text = await run(['inspect', name]);
    assert.match(text.stderr, /^ramferry: ERR_INPUT_OPEN: [^\n]+\nhint: [^\n]+\n$/);
    assert.match(text.stderr, /no\\nramferry: done\\x1b\[2K/);
    const json = await run(['inspect', name, '--json']);
    assert.ok((JSON.parse(json.stderr) as { message: string }).message.includes(name));
  });

  it('stays out of the log, command line of exec:', async () => {
    const log = fresh();
    await run(['receive', `${image}.rf`, 'exec:cat > /dev/null; : --password=secret', '--log-file', log]);
    const logged = await readFile(log, 'utf8');
    assert.match(logged, /"output":"exec:cat"/);
    assert.doesNotMatch(logged, /secret/);
  });
});

describe('command of exec:', () => {
  /** Runs a line that stores its process ID in `file`. Kills ramferry with SIGKILL unless the line does. Awaits the end of both. */
  async function assertEndsWithProcess(line: string, file: string, kill: boolean): Promise<void> {
    const command = new Command(['receive', '--quiet', line, fresh()]);
    const written = async (): Promise<string> => (await readFile(file, 'utf8').catch(() => '')).trim();
    const late = new AbortController();
    const begun = (async () => {
      while (!late.signal.aborted && (await written()) === '') await setTimeout(10);
    })();
    await within('the command to begin', begun, () => late.abort());
    const child = Number(await written());
    if (kill) command.process.kill('SIGKILL');
    const ended = (async () => {
      while (lives(child)) await setTimeout(20);
      // The command shares the process's standard error, so that ends only after the command.
      await command.ended;
    })();
    await within('the command to end', ended, () => process.kill(-child, 'SIGKILL'), 60_000);
  }

  it('does not outlive a killed process, SIGTERM ignored', async () => {
    const pid = fresh();
    const line = `exec:trap '' TERM; echo $$ > ${pid}; cat ${image}.rf; sleep 600`;
    await assertEndsWithProcess(line, pid, true);
  });

  it("does not outlive a killed process, killed at the command's start", async () => {
    const pid = fresh();
    // The number first: the command may end with its parent before its next word.
    const line = `exec:trap '' TERM; echo $$ > ${pid}; kill -s KILL $PPID; sleep 600`;
    await assertEndsWithProcess(line, pid, false);
  });
});

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('guest memory', () => {
  it('is written to a terminal only with --force', (t) => {
    const line = (more: string): string => `"${process.execPath}" "${MAIN}" send -q ${more} "${image}" -`;
    const onTerminal = (more: string): { status: number | null; stdout: Buffer } =>
      spawnSync('script', ['-qec', line(more), '/dev/null'], { stdio: ['ignore', 'pipe', 'ignore'] });
    if (spawnSync('script', ['--version']).error !== undefined) return t.skip('script(1) is absent');
    const refused = onTerminal('');
    assert.equal(refused.status, 2);
    assert.match(refused.stdout.toString(), /ERR_USAGE: standard output is a terminal/);
    assert.equal(onTerminal('--force --one-way').status, 0);
  });
});
