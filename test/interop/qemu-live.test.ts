// Real guests migrate live through `ramferry send` and `receive`. One guest boots once and then migrates from QEMU to
// QEMU; each destination is the next source. Skipped, with a message, where QEMU, busybox or the kernel is missing.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { generateImage } from '../../src/index.js';
import { scratchDirectory, type Scratch } from '../../lab/cleanup.js';
import { keepConsoles } from '../../lab/qemu/consoles.js';
import { buildInitramfs, findKernel } from '../../lab/qemu/initramfs.js';
import { Machine, missingForLive, type MachineOptions } from '../../lab/qemu/machine.js';
import { voyage, type Voyage } from '../../lab/qemu/voyage.js';
import { MIB } from '../../src/units.js';

/** 8 KiB less than 128 MiB; MachineOptions gives the reason. */
const MEMORY_KIB = 131_064;

interface Passage {
  readonly title: string;
  readonly sendOptions: readonly string[];
  readonly returnPath: boolean;
  readonly dirty: boolean;
}

const PASSAGES: readonly Passage[] = [
  { title: 'inside the stream', sendOptions: ['--method', 'xenguest'], returnPath: false, dirty: false },
  {
    title: 'inside the stream, with a return path, while it writes',
    sendOptions: ['--method', 'xenguest'],
    returnPath: true,
    dirty: true,
  },
  { title: 'in frames', sendOptions: ['--method', 'stream'], returnPath: false, dirty: true },
  {
    title: 'in lz4 frames, with a return path',
    sendOptions: ['--method', 'stream', '--codec', 'lz4'],
    returnPath: true,
    dirty: false,
  },
];

describe('a QEMU guest migrates live', { skip: missingForLive() }, () => {
  let scratch: Scratch;
  let guest: Machine;
  let sum: string;
  let settings: Omit<MachineOptions, 'name' | 'incoming'>;

  before(async () => {
    scratch = scratchDirectory();
    const initrd = join(scratch.path, 'initrd');
    const seed = Buffer.concat([...generateImage({ bytes: 16 * MIB, seed: 11, profile: 'busy' })]);
    writeFileSync(initrd, buildInitramfs({ seed }));
    settings = { directory: scratch.path, kernel: findKernel()!, initrd, memoryKiB: MEMORY_KIB };
    guest = await Machine.start({ ...settings, name: 'first' });
    await guest.says(/^tick /m);
    sum = await guest.ask('sum');
  });
  after(async () => {
    await guest.dispose();
    scratch.remove();
  });

  for (const [index, { title, sendOptions, returnPath, dirty }] of PASSAGES.entries()) {
    it(title, async () => {
      const source = guest;
      // 5 MiB/s, in a file of 4 MiB
      if (dirty) await source.ask('dirty 8 64');
      const name = `passage-${index}`;
      const passage = await voyage({
        directory: scratch.path,
        name,
        source,
        startDestination: (incoming) => Machine.start({ ...settings, name, incoming }),
        returnPath,
        sendOptions,
      });
      guest = passage.destination;
      await keepConsoles([source, guest], () => assertArrived(source, passage, { name, returnPath, dirty }));
      await source.dispose();
    });
  }

  async function assertArrived(
    source: Machine,
    passage: Voyage,
    { name, returnPath, dirty }: { name: string; returnPath: boolean; dirty: boolean },
  ): Promise<void> {
    assert.deepEqual(passage.after, passage.before);
    assert.ok(passage.before.forward.bytes > 30 * MIB);
    assert.equal(passage.before.backward.bytes > 0, returnPath);

    const { status } = await source.qmp.execute<{ status: string }>('query-status');
    assert.equal(status, 'postmigrate');
    assert.equal(await guest.ask(`echo ${name}`), name);
    assert.equal(await guest.ask('sum'), sum);
    if (dirty) {
      await guest.ask('still');
      assert.match(await guest.ask('check'), /^good/);
    }
    await guest.says(/^tick [^]*^tick \d+\r?\n/m);
    assertCounts(source.console + guest.console);
  }
});

/** Asserts that the guest's counter continued: both consoles together have every number once. */
function assertCounts(text: string): void {
  const ticks = [...text.matchAll(/^tick (\d+)\r?$/gm)].map(([, number]) => Number(number));
  const first = ticks[0]!;
  assert.ok(ticks.length > 3);
  assert.deepEqual(
    ticks,
    ticks.map((_, index) => first + index),
  );
}
