// The bound over all processes, with a semaphore of the test's own.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { HostThreads, hostThreadsKey, type HostThreadsKey } from '../../../src/os/processor/host-threads.js';
import { foreign } from '../../../src/os/foreign.js';

const IPC_RMID = 0;
const keys: number[] = [];
const children: ChildProcess[] = [];

/** A bound with a key of its own. */
function bound(count: number): HostThreadsKey {
  const key = { key: randomInt(0x1000_0000, 0x2000_0000), count };
  keys.push(key.key);
  return key;
}

function systemCall(prototype: string): (...numbers: number[]) => number {
  return foreign()!.library.func(prototype) as (...numbers: number[]) => number;
}

after(() => {
  for (const child of children) child.kill('SIGKILL');
  const semget = systemCall('int semget(int key, int count, int flags)');
  const semctl = systemCall('int semctl(int id, int number, int command)');
  for (const key of keys) semctl(semget(key, 1, 0), 0, IPC_RMID);
});

/** Another process that holds so many places, from now on. */
async function holder(key: HostThreadsKey, places: number): Promise<ChildProcess> {
  const url = new URL('../../../src/os/processor/host-threads.js', import.meta.url).href;
  const program = `const { HostThreads } = await import(${JSON.stringify(url)});
    const host = HostThreads.open(${JSON.stringify(key)});
    for (let i = 0; i < ${places}; i++) host.take();
    process.send('ready');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.push(child);
  await once(child, 'message');
  return child;
}

/** So little patience that a test may lose it. */
const IMPATIENT = { patience: 20, truce: 0 };

describe('HostThreads', { skip: foreign() === undefined && 'koffi has no binary here' }, () => {
  it('bounds threads over processes', async () => {
    const key = bound(3);
    const host = HostThreads.open(key, IMPATIENT)!;
    await holder(key, 2);
    assert.equal(host.take(), true);
    assert.equal(host.take(), false);
    host.give();
    assert.equal(host.take(), true);
  });

  it('takeSoon: waits without blocking the event loop, and gives up as take() does', async () => {
    const key = bound(1);
    const host = HostThreads.open(key, { patience: 5_000, truce: 0 })!;
    assert.equal(await host.takeSoon(), true);
    const second = host.takeSoon();
    setTimeout(() => host.give(), 30);
    assert.equal(await second, true, 'a place that was given back meanwhile');
    assert.equal(await HostThreads.open(key, IMPATIENT)!.takeSoon(), false);
    host.give();
  });

  it('returns the places of a killed process', async () => {
    const key = bound(2);
    const host = HostThreads.open(key, IMPATIENT)!;
    const child = await holder(key, 2);
    assert.equal(host.take(), false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(host.take(), true);
    assert.equal(host.take(), true);
    assert.equal(host.take(), false);
  });

  it('sets the count after a timeout, creator died before setting it', () => {
    const key = bound(2);
    systemCall('int semget(int key, int count, int flags)')(key.key, 1, 0o1600);
    const host = HostThreads.open(key, IMPATIENT)!;
    assert.equal(host.take(), false);
    assert.equal(host.take(), true);
    assert.equal(host.take(), true);
    assert.equal(host.take(), false);
  });

  it('has one bound for each count and user', () => {
    assert.equal(hostThreadsKey(4).key, hostThreadsKey(4).key);
    assert.notEqual(hostThreadsKey(4).key, hostThreadsKey(2).key);
  });
});
