// The kernel's view of another process: its mappings, paths as it sees them, and the process behind a socket.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';

import {
  holdersOf,
  isMapped,
  isSameFile,
  mappedFiles,
  pathBelowRoot,
  pathInProcess,
} from '../../../../src/hypervisor/qemu/ram/qemu-process.js';
import { libc } from '../../../../src/os/libc.js';
import { handleOf } from '../../../../src/link/handle.js';
import { FakeQemu } from '../../support/fake-qemu.js';

const BUSYBOX = '/usr/bin/busybox';

function directory(test: TestContext): string {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-process-'));
  test.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A process whose root directory is `root`; busybox is linked statically. */
async function inChroot(test: TestContext, root: string): Promise<number> {
  fs.copyFileSync(BUSYBOX, path.join(root, 'busybox'));
  const child = spawn('chroot', [root, '/busybox', 'sh', '-c', 'echo; read line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  test.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid!;
}

function noChroot(): string | false {
  if (process.getuid?.() !== 0) return 'only root may chroot';
  return fs.existsSync(BUSYBOX) ? false : `${BUSYBOX} is not installed`;
}

describe('mappedFiles', () => {
  it('lists a mapped file, and no other file of its size', async (test) => {
    const [mapped, other] = ['mapped', 'other'].map((name) => path.join(directory(test), name));
    for (const name of [mapped!, other!]) fs.writeFileSync(name, Buffer.alloc(3 * 4096));
    const monitor = path.join(directory(test), 'qmp');
    const fake = await FakeQemu.start({
      monitor,
      ram: [{ id: 'a', file: mapped! }],
      history: [],
      name: 'fake',
    });
    test.after(() => fake.die());
    const files = mappedFiles(process.pid)!;
    assert.equal(
      files.some((file) => isMapped(file, other!)),
      false,
    );
    const found = files.find((file) => isMapped(file, mapped!))!;
    assert.deepEqual([found.from, found.to], [0, 3 * 4096]);
  });

  it('is undefined when the process does not exist', () => {
    assert.equal(mappedFiles(2 ** 30), undefined);
  });
});

describe('isMapped', () => {
  it('compares the device, also when it comes from the text of maps', (test) => {
    const name = path.join(directory(test), 'file');
    fs.writeFileSync(name, '');
    const { dev: device, ino: inode } = fs.statSync(name, { bigint: true });
    const file = { device, inode, from: 0, to: 4096, exact: false };
    assert.equal(isMapped(file, name), true);
    // Another tmpfs has a file with the same inode number.
    const { type } = fs.statfsSync(name);
    const loose = type === 0x794c7630 || type === 0x9123683e;
    assert.equal(isMapped({ ...file, device: device + 1n }, name), loose);
    assert.equal(isMapped({ ...file, device: device + 1n, exact: true }, name), false);
    assert.equal(isMapped({ ...file, inode: inode + 1n }, name), false);
  });
});

describe('pathInProcess', () => {
  it('resolves relative paths and links of this process', (test) => {
    const made = directory(test);
    fs.writeFileSync(path.join(made, 'file'), '');
    fs.symlinkSync(path.join(made, 'file'), path.join(made, 'absolute'));
    fs.symlinkSync('loop', path.join(made, 'loop'));
    fs.mkdirSync(path.join(made, 'x'));
    const same = (name: string): boolean =>
      isSameFile(pathInProcess(process.pid, name), path.join(made, 'file'));
    assert.equal(same(path.join(made, 'absolute')), true);
    assert.equal(same(path.relative(process.cwd(), path.join(made, 'absolute'))), true);
    assert.equal(same(path.join(made, 'loop')), false);
    fs.symlinkSync('x/../file', path.join(made, 'relative'));
    assert.equal(same(path.join(made, 'relative')), true);
  });

  it('stays within the root directory of a process in a chroot', { skip: noChroot() }, async (test) => {
    const root = directory(test);
    fs.mkdirSync(path.join(root, 'real'));
    fs.writeFileSync(path.join(root, 'real', 'file'), 'inside');
    // An absolute link, which would lead elsewhere from the root of this process.
    fs.symlinkSync('/../real', path.join(root, 'link'));
    const pid = await inChroot(test, root);
    const inside = path.join(root, 'real', 'file');
    assert.equal(isSameFile(pathInProcess(pid, '/link/file'), inside), true);
    assert.equal(isSameFile(pathInProcess(pid, 'link/../../real/file'), inside), true);
    assert.equal(pathBelowRoot(pid, inside), '/real/file');
    assert.equal(pathBelowRoot(pid, os.tmpdir()), '');
  });
});

describe('holdersOf and peerProcess', () => {
  it('find the process by the connection and by the listener', async (test) => {
    const [one, other] = [directory(test), directory(test)].map((made) => path.join(made, 'monitor.sock'));
    const servers = [one!, other!].map((name) => net.createServer().listen(name));
    test.after(() => servers.forEach((server) => server.close()));
    await Promise.all(servers.map((server) => once(server, 'listening')));
    assert.deepEqual(holdersOf(one!), [process.pid]);
    assert.deepEqual(holdersOf(path.join(path.dirname(one!), 'none')), []);
    const socket = net.connect({ path: one! });
    test.after(() => socket.destroy());
    await once(socket, 'connect');
    const { fd } = handleOf(socket)!;
    assert.equal(libc()?.peerProcess(fd), process.pid);
    assert.equal(libc()?.peerName(fd), one);
  });
});
