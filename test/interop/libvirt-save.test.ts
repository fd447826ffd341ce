// Real libvirt with the filter of scripts/install-libvirt-filter on its daemon's PATH. The guest is firmware only. The daemon runs in
// namespaces in which its directories are empty and with which its guests end. libvirt 9.0 has no zstd, so the images are of format gzip.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { scratchDirectory, type Scratch } from '../../lab/cleanup.js';
import { Command } from '../../lab/command.js';
import { CHECKOUT } from '../../lab/places.js';
import { missingQemu } from '../../lab/qemu/bare-machine.js';

const LIMIT = { timeout: 120_000 };
/** libvirtd asks each QEMU of the host for its capabilities, which takes seconds. */
const PATIENCE_MS = 60_000;
const NAMESPACES = ['--mount', '--pid'];
const DIRECTORIES = '/etc/libvirt /var/lib/libvirt /run/libvirt /var/log/libvirt /var/cache/libvirt';
const CONFIGURATION = [
  ...[
    'stdio_handler = "file"',
    'user = "root"',
    'group = "root"',
    'dynamic_ownership = 0',
    'security_driver = "none"',
  ],
  ...[
    'namespaces = []',
    'cgroup_controllers = []',
    'save_image_format = "gzip"',
    'snapshot_image_format = "gzip"',
  ],
].join('\n');

function missing(): string | false {
  for (const program of ['libvirtd', 'virsh', 'qemu-img', 'gzip', 'nsenter'])
    if (spawnSync(program, ['--version']).error !== undefined) return `${program} is not installed`;
  if (spawnSync('unshare', [...NAMESPACES, '--fork', 'true']).status !== 0) return 'unshare is not permitted';
  return missingQemu();
}

describe('save images of libvirt', { skip: missing(), ...LIMIT }, () => {
  let scratch: Scratch;
  let daemon: Command;
  let init: string;
  const path = (name: string): string => join(scratch.path, name);

  before(async () => {
    scratch = scratchDirectory();
    const installer = join(CHECKOUT, 'scripts/install-libvirt-filter');
    const words = ['--format', 'gzip', '--directory', path('filter'), '--etc', path('etc'), '--no-unit'];
    const { status, stderr } = spawnSync(installer, words, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    // Each run of the filter leaves a line.
    writeFileSync(
      path('filter/gzip'),
      readFileSync(path('filter/gzip'), 'utf8').replace('\n', `\necho "$1" >>${path('runs')}\n`),
    );
    writeFileSync(path('qemu.conf'), CONFIGURATION);
    writeFileSync(
      path('libvirtd.conf'),
      `listen_tls = 0
log_outputs = "3:file:${path('log')}"
`,
    );
    // The shell is process 1, and reaps the guests.
    const script = [
      `for directory in ${DIRECTORIES}; do mkdir -p $directory; mount -t tmpfs none $directory; done`,
      `cp ${path('qemu.conf')} /etc/libvirt/qemu.conf`,
      `libvirtd --config ${path('libvirtd.conf')} & wait $!`,
    ];
    daemon = new Command(
      ['unshare', ...NAMESPACES, '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script.join('\n')],
      { env: { PATH: `${path('filter')}:${process.env['PATH'] ?? ''}` } },
    );
    const { pid } = daemon.process;
    const children = `/proc/${pid ?? 0}/task/${pid ?? 0}/children`;
    init = await until('process 1', () => readFileSync(children, 'utf8').trim());
    await until('libvirtd', () => virsh('list').status === 0);
  });
  after(() => {
    daemon.process.kill('SIGKILL');
    scratch.remove();
  });

  /** @throws Error when `found` is still empty or false after a while: the daemon does not start */
  async function until<T>(what: string, found: () => T): Promise<T> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const value = found();
      if (value) return value;
      if (performance.now() > end) throw new Error(`${what} has not started: ${daemon.output}`);
      await sleep(100);
    }
  }
  function virsh(...words: string[]): { status: number | null; said: string } {
    const command = ['--target', init, ...NAMESPACES, 'virsh', '-q', '-c', 'qemu:///system', ...words];
    const { status, stdout, stderr } = spawnSync('nsenter', command, { encoding: 'utf8' });
    return { status, said: stdout + stderr };
  }
  function succeeds(...words: string[]): string {
    const { status, said } = virsh(...words);
    assert.equal(status, 0, said);
    return said.trim();
  }
  function runs(): string[] {
    const lines = existsSync(path('runs')) ? readFileSync(path('runs'), 'utf8').trim().split('\n') : [];
    rmSync(path('runs'), { force: true });
    return lines;
  }
  const isRunning = (): boolean => succeeds('domstate', 'tiny') === 'running';

  it('are saved and restored with and without the filter', LIMIT, () => {
    const disk = path('disk.qcow2');
    assert.equal(spawnSync('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '1M']).status, 0);
    writeFileSync(
      path('tiny.xml'),
      `<domain type='qemu'><name>tiny</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
       <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/><controller type='usb' model='none'/>
       <disk type='file'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`,
    );
    succeeds('create', path('tiny.xml'));
    assert.deepEqual(runs(), []);

    succeeds('save', 'tiny', path('filtered'));
    assert.deepEqual(runs(), ['-c']);
    succeeds('restore', path('filtered'));
    assert.deepEqual(runs(), ['-dc']);
    assert.ok(isRunning());

    // Both programs read the other's image.
    succeeds('save', 'tiny', path('filtered'));
    renameSync(path('filter/gzip'), path('filter/away'));
    succeeds('restore', path('filtered'));
    assert.ok(isRunning());
    succeeds('save', 'tiny', path('plain'));
    renameSync(path('filter/away'), path('filter/gzip'));
    runs();
    succeeds('restore', path('plain'));
    assert.deepEqual(runs(), ['-dc']);
    assert.ok(isRunning());
  });

  it('of a snapshot go through the filter', LIMIT, () => {
    runs();
    const memspec = `file=${path('memory')}`;
    succeeds('snapshot-create-as', 'tiny', 's1', '--no-metadata', '--memspec', memspec, '--diskspec', 'vda');
    assert.deepEqual(runs(), ['-c']);
    assert.ok(isRunning());
    succeeds('destroy', 'tiny');
    succeeds('restore', path('memory'));
    assert.ok(isRunning());
  });

  it('fail and leave the guest running, disk full', LIMIT, () => {
    mkdirSync(path('small'));
    const mount = [
      '--target',
      init,
      ...NAMESPACES,
      'mount',
      '-t',
      'tmpfs',
      '-o',
      'size=256k',
      'none',
      path('small'),
    ];
    assert.equal(spawnSync('nsenter', mount).status, 0);
    const { status, said } = virsh('save', 'tiny', path('small/image'));
    assert.equal(status, 1);
    assert.match(said, /No space left/);
    assert.ok(isRunning());
  });

  it('fail to restore, image truncated', LIMIT, () => {
    succeeds('save', 'tiny', path('cut'));
    truncateSync(path('cut'), statSync(path('cut')).size - 3000);
    const { status, said } = virsh('restore', path('cut'));
    assert.equal(status, 1, said);
    assert.equal(succeeds('list', '--all', '--name'), '');
  });
});
