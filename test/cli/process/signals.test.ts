// Signals to every command that has children: each signal, to the process alone, or to its process group like a terminal's. The
// command ends with the documented status and the signal as the reason, and leaves no process and no temporary file.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { writeImage } from '../../../src/image/image.js';
import { MAIN } from '../command.js';

const directory = mkdtempSync(join(tmpdir(), 'ramferry-signals-'));
const image = join(directory, 'guest.ram');
before(() => writeImage(image, { bytes: 32 * 2 ** 20, seed: 3, profile: 'busy' }));
after(() => rmSync(directory, { recursive: true, force: true }));

const COMMANDS: readonly (readonly [string, readonly string[]])[] = [
  ['tune', ['tune', '--bandwidth', '1gbit', '--budget', '30s', '--verify', image]],
  ['bench', ['bench', image]],
  [
    'guest compare',
    ['guest', 'compare', '--size', '64MiB', '--link', '100mbit', '--shaping', 'max-bandwidth'],
  ],
  ['send to a command', ['send', image, 'exec:sleep 61.5']],
  ['receive from a command', ['receive', 'exec:sleep 61.5', '/dev/null']],
];

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 143],
] as const;

/** The processes whose environment contains the mark. */
function marked(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark);
      } catch {
        return false;
      }
    });
}

/** Whether the process has a handler for SIGHUP. Before that, a signal ends it by default. */
function catchesHangUp(pid: number): boolean {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return (BigInt(`0x${caught ?? '0'}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

async function gone(mark: string): Promise<number[]> {
  let left = marked(mark);
  for (let turn = 0; left.length > 0 && turn < 200; turn++) {
    await sleep(50);
    left = marked(mark);
  }
  return left;
}

describe('signal to a command with children', { timeout: 600_000 }, () => {
  let count = 0;
  for (const [name, args] of COMMANDS) {
    for (const [signal, status] of SIGNALS) {
      for (const whole of [false, true]) {
        it(`ends with ${status}: ${name}, ${signal} to ${whole ? 'the group' : 'the process'}`, async () => {
          const mark = `RAMFERRY_TEST_MARK_${process.pid}_${++count}`;
          const temporary = mkdtempSync(join(directory, 'tmp-'));
          const child = spawn(process.execPath, [MAIN, ...args], {
            detached: true,
            stdio: ['ignore', 'ignore', 'pipe'],
            env: { ...process.env, [mark]: '1', TMPDIR: temporary },
          });
          let stderr = '';
          child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
          const ended = once(child, 'close');
          // bench has only threads. The other commands get the signal when they have children.
          const wanted = name === 'bench' ? 1 : 2;
          const met = (): boolean => catchesHangUp(child.pid!) && marked(mark).length >= wanted;
          while (!met() && child.exitCode === null) await sleep(20);
          await sleep(100 * (count % 4));
          process.kill(whole ? -child.pid! : child.pid!, signal);
          const [code] = (await ended) as [number | null];
          assert.equal(code, status, stderr);
          assert.match(stderr, /ERR_(INTERRUPTED|TERMINATED)/);
          assert.doesNotMatch(stderr, /ERR_INTERNAL|^ +at /m);
          assert.deepEqual(await gone(mark), []);
          assert.deepEqual(readdirSync(temporary), []);
        });
      }
    }
  }
});
