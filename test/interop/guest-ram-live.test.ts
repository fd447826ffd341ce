// Two real QEMUs with two NUMA nodes each: RAM arrives in the node that it left, or nothing is written. The kernel, not
// the user, identifies the file of each node. Skipped, with a message, where QEMU or /dev/shm is missing.

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { scratchDirectory, undoLater, type Scratch } from '../../lab/cleanup.js';
import { Ferry, type FerryEnd } from '../../lab/ferry.js';
import { missingForChroot, NODE_BYTES, NumaMachine, type NumaOptions } from '../../lab/qemu/numa-machine.js';

const QEMU = '/usr/bin/qemu-system-x86_64';
/** Offset of the marks, above the memory that the firmware writes. */
const MARK_AT = 24 * 2 ** 20;

function missing(): string | false {
  if (!existsSync(QEMU)) return `${QEMU} is not installed`;
  return existsSync('/dev/shm') ? false : 'there is no /dev/shm';
}

function markOf(path: string): string {
  const fd = openSync(path, 'r');
  const bytes = Buffer.alloc(6);
  readSync(fd, bytes, 0, bytes.length, MARK_AT);
  closeSync(fd);
  return bytes.toString('latin1').replaceAll('\0', '');
}

function setMark(path: string, text: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, text, MARK_AT, 'latin1');
  closeSync(fd);
}

describe('two NUMA nodes of real QEMUs', { skip: missing() }, () => {
  let scratch: Scratch;
  let memory: string;
  let forget: () => void;
  let count = 0;
  const machines: NumaMachine[] = [];

  before(() => {
    scratch = scratchDirectory();
    memory = mkdtempSync('/dev/shm/ramferry-');
    forget = undoLater(() => rmSync(memory, { recursive: true, force: true }));
  });
  afterEach(async () => {
    for (const machine of machines.splice(0)) await machine.dispose();
  });
  after(() => {
    forget();
    scratch.remove();
  });

  /** Creates a RAM file with a new name. @returns its path */
  function file(name: string): string {
    const path = join(memory, `${name}.${count}`);
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
    truncateSync(path, NODE_BYTES);
    return path;
  }

  async function start(
    name: string,
    rest: Pick<NumaOptions, 'backends'> & Partial<NumaOptions>,
  ): Promise<NumaMachine> {
    const machine = await NumaMachine.start({ ...rest, name: `${name}${count}`, directory: scratch.path });
    machines.push(machine);
    return machine;
  }

  const onFile = (path: string): string => `memory-backend-file,mem-path=${path}`;

  /** Starts a source whose two RAM files are marked. */
  async function source(): Promise<{ machine: NumaMachine; a: string; b: string }> {
    count++;
    const [a, b] = [file('src.a'), file('src.b')];
    const machine = await start('src', { backends: [onFile(a), onFile(b)] });
    setMark(a, 'node a');
    setMark(b, 'node b');
    return { machine, a, b };
  }

  async function migrate(
    from: NumaMachine,
    to: NumaMachine,
    options: { readonly from?: readonly string[]; readonly to?: readonly string[] } = {},
  ): Promise<{ sent: FerryEnd; received: FerryEnd; text: string }> {
    const incoming = new Ferry([
      ...[
        'incoming',
        '--qmp',
        `unix:${to.monitor}`,
        '--quiet',
        ...(options.to ?? []),
        'tcp-listen:127.0.0.1:0',
      ],
    ]);
    const address = await incoming.listening().catch(() => undefined);
    if (address === undefined) {
      const received = await incoming.ended;
      return { sent: received, received, text: received.output };
    }
    const outgoing = new Ferry([
      ...[
        'migrate',
        '--qmp',
        `unix:${from.monitor}`,
        '--quiet',
        '--verify-ram',
        ...(options.from ?? []),
        address,
      ],
    ]);
    const sent = await outgoing.ended;
    // A source that refuses its own RAM does not connect, so the listener is stopped.
    if (sent.status !== 0) incoming.process.kill('SIGTERM');
    const received = await incoming.ended;
    return { sent, received, text: sent.output + received.output };
  }

  const ram = (...paths: string[]): string[] => paths.flatMap((path) => ['--ram', path]);

  it('keep their RAM, when the destination names its files in the other order', async () => {
    const { machine, a, b } = await source();
    const [c, d] = [file('dst.a'), file('dst.b')];
    const destination = await start('dst', { backends: [onFile(c), onFile(d)], incoming: true });
    const { sent, received, text } = await migrate(machine, destination, { from: ram(a, b), to: ram(d, c) });
    assert.deepEqual([sent.status, received.status], [0, 0], text);
    assert.match(sent.output, /"verified":true/);
    assert.deepEqual([markOf(c), markOf(d)], ['node a', 'node b']);
    assert.equal(await destination.running(), true);
  });

  it('are refused before a byte is written, when the destination exchanges the nodes’ backends', async () => {
    const { machine } = await source();
    const [c, d] = [file('dst.a'), file('dst.b')];
    const destination = await start('dst', {
      backends: [onFile(d), onFile(c)],
      ids: ['b', 'a'],
      incoming: true,
    });
    const { sent, text } = await migrate(machine, destination);
    assert.equal(sent.status, 8, text);
    assert.match(sent.output, /ERR_GUEST_RAM"/);
    assert.match(sent.output, /memory backend a lies at 0x0 at the source and 0x2000000 at the destination/);
    assert.deepEqual([markOf(c), markOf(d)], ['', '']);
    assert.equal(await machine.running(), true);
  });

  for (const named of [true, false]) {
    const title = `reach a QEMU in a chroot with files of the same name, ${named ? 'by' : 'without'} --ram`;
    it(title, { skip: missingForChroot() }, async () => {
      const { machine, a, b } = await source();
      // In this mount namespace, the files of these names belong to no guest.
      const decoys = [file('dst.a'), file('dst.b')];
      const destination = await start('dst', {
        ...{ backends: [onFile(decoys[0]!), onFile(decoys[1]!)], incoming: true },
        chroot: decoys,
      });
      const inside = decoys.map((path) => `/proc/${destination.process.pid}/root${path}`);
      const { sent, received, text } = await migrate(machine, destination, {
        ...(named ? { from: ram(a, b), to: ram(...decoys) } : {}),
      });
      assert.deepEqual([sent.status, received.status], [0, 0], text);
      assert.deepEqual(inside.map(markOf), ['node a', 'node b']);
      assert.deepEqual(decoys.map(markOf), ['', '']);
    });
  }

  it('are taken as a memfd and a file up to QEMU 8.0, and refused from 8.1 on', async () => {
    count++;
    const [a, b] = [file('src.a'), file('dst.a')];
    const machine = await start('src', { backends: [onFile(a), 'memory-backend-memfd'] });
    const destination = await start('dst', { backends: [onFile(b), 'memory-backend-memfd'], incoming: true });
    setMark(a, 'node a');
    const { qemu } = await machine.qmp.execute<{ qemu: { major: number; minor: number } }>('query-version');
    const { sent, text } = await migrate(machine, destination);
    if (qemu.major * 100 + qemu.minor < 801) {
      assert.equal(sent.status, 0, text);
      assert.equal(markOf(b), 'node a');
    } else {
      assert.equal(sent.status, 8, text);
      assert.match(sent.output, /carries memory backend b \(memory-backend-memfd\) itself/);
      assert.equal(await machine.running(), true);
    }
  });
});
