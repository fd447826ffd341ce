// A real guest whose RAM is a shared file migrates from QEMU to QEMU by `ramferry migrate` and `incoming` while it writes.
// Then the test kills `migrate` while the guest is stopped, and the guest continues at the source. Skipped, with a
// message, where QEMU, busybox or the kernel is missing.

import assert from 'node:assert/strict';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { generateImage } from '../../src/index.js';
import { scratchDirectory, undoLater, type Scratch } from '../../lab/cleanup.js';
import { keepConsoles } from '../../lab/qemu/consoles.js';
import { Ferry } from '../../lab/ferry.js';
import { buildInitramfs, findKernel } from '../../lab/qemu/initramfs.js';
import { Machine, missingForLive } from '../../lab/qemu/machine.js';
import { MIB } from '../../src/units.js';

/** 8 KiB less than 128 MiB; MachineOptions gives the reason. */
const MEMORY_KIB = 131_064;

describe('a QEMU guest with shared memory migrates live', { skip: missingForLive() }, () => {
  let scratch: Scratch;
  let memory: string;
  let forget: () => void;
  let initrd: string;
  const machines: Machine[] = [];

  before(() => {
    scratch = scratchDirectory();
    // The RAM files lie in memory, since a disk would slow down the guest.
    memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ramferry-'));
    forget = undoLater(() => rmSync(memory, { recursive: true, force: true }));
    initrd = join(scratch.path, 'initrd');
    const seed = Buffer.concat([...generateImage({ bytes: 16 * MIB, seed: 11, profile: 'busy' })]);
    writeFileSync(initrd, buildInitramfs({ seed }));
  });
  after(async () => {
    for (const machine of machines) await machine.dispose();
    forget();
    scratch.remove();
  });

  const ram = (name: string): string => join(memory, name);

  async function start(name: string, incoming?: 'defer'): Promise<Machine> {
    const fd = openSync(ram(name), 'wx', 0o600);
    ftruncateSync(fd, MEMORY_KIB * 1024);
    closeSync(fd);
    const machine = await Machine.start({
      ...{ name, directory: scratch.path, kernel: findKernel()!, initrd, memoryKiB: MEMORY_KIB },
      ...{ incoming, sharedRam: ram(name) },
    });
    machines.push(machine);
    return machine;
  }

  async function ferries(from: [string, Machine], to: [string, Machine]): Promise<[Ferry, Ferry]> {
    const ends = ([name, { monitor }]: [string, Machine]): string[] => [
      ...['--qmp', `unix:${monitor}`, '--ram', ram(name), '--quiet'],
    ];
    const incoming = new Ferry(['incoming', ...ends(to), 'tcp-listen:127.0.0.1:0']);
    const migrate = new Ferry(['migrate', ...ends(from), '--verify-ram', await incoming.listening()]);
    return [migrate, incoming];
  }

  it('with unchanged RAM, and continues counting; stays at the source when ramferry is killed', () =>
    keepConsoles(machines, passTwice));

  async function passTwice(): Promise<void> {
    const first = await start('first');
    await first.says(/^tick /m);
    const sum = await first.ask('sum');
    await first.ask('dirty 8 64');

    const second = await start('second', 'defer');
    const [sent, received] = await ferries(['first', first], ['second', second]);
    const ends = await Promise.all([sent.ended, received.ended]);
    assert.deepEqual(
      ends.map(({ status }) => status),
      [0, 0],
      ends.map(({ output }) => output).join(''),
    );
    assert.match(ends[0].output, /"verified":true/);
    assert.equal((await first.qmp.execute<{ status: string }>('query-status')).status, 'postmigrate');
    assert.equal(await second.ask('sum'), sum);
    await second.ask('still');
    assert.match(await second.ask('check'), /^good/);
    await second.says(/^tick [^]*^tick \d+\r?\n/m);
    const ticks = [...(first.console + second.console).matchAll(/^tick (\d+)\r?$/gm)].map(([, n]) =>
      Number(n),
    );
    assert.deepEqual(
      ticks,
      ticks.map((_, index) => ticks[0]! + index),
    );

    const third = await start('third', 'defer');
    const mark = second.qmp.events.length;
    const [killed, receiving] = await ferries(['second', second], ['third', third]);
    await second.qmp.event('STOP', mark);
    killed.kill();
    const end = await receiving.ended;
    const { running } = await third.qmp
      .execute<{ running: boolean }>('query-status')
      .catch(() => ({ running: false }));
    // The kill may come too late to prevent the handover. The two guests must never both run.
    if (running) {
      assert.equal(end.status, 0, end.output);
      assert.equal((await second.qmp.execute<{ running: boolean }>('query-status')).running, false);
      assert.equal(await third.ask('sum'), sum);
    } else {
      assert.notEqual(end.status, 0, end.output);
      await second.qmp.event('RESUME', mark);
      assert.equal(await second.ask('sum'), sum);
    }
  }
});
