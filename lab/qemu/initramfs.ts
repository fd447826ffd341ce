// The test guest's first and only file system: an uncompressed cpio archive ("newc", Documentation/driver-api/
// early-userspace/buffer-format.rst of the kernel) with busybox, an init script and what the guest shall hold in memory.
// Pure apart from reading the files that go in.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const INIT = fileURLToPath(new URL('../../../lab/qemu/guest-init.sh', import.meta.url));
const BUSYBOX = '/usr/bin/busybox';

const FILE = 0o100755;
const DIRECTORY = 0o040755;
const CHARACTER_DEVICE = 0o020600;

/** In the order in which they must be loaded. */
const DISK_MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
];

/** What `findKernel` needs to have found; `modules` may be missing where the guest has no disk. */
export interface Kernel {
  readonly image: string;
  readonly modules: string;
}

/** The newest small Debian kernel that is installed; undefined when there is none. */
export function findKernel(): Kernel | undefined {
  const prefix = 'vmlinuz-';
  const names = readdirSync('/boot').filter(
    (name) => name.startsWith(prefix) && name.endsWith('-cloud-amd64'),
  );
  const newest = names.sort((one, other) => one.localeCompare(other, 'en', { numeric: true })).at(-1);
  if (newest === undefined) return undefined;
  return { image: join('/boot', newest), modules: join('/lib/modules', newest.slice(prefix.length)) };
}

export interface InitramfsOptions {
  /** Contents of /seed, a multiple of 64 KiB: what `sum` and `dirty` read in a guest without a disk. */
  readonly seed?: Buffer;
  /** Load what a virtio disk needs. */
  readonly diskModulesOf?: Kernel;
}

export function buildInitramfs({ seed, diskModulesOf }: InitramfsOptions): Buffer {
  const archive = new Archive();
  for (const name of ['bin', 'dev', 'modules']) archive.add(name, DIRECTORY);
  // /dev/console: the kernel opens it before init runs.
  archive.add('dev/console', CHARACTER_DEVICE, Buffer.alloc(0), { major: 5, minor: 1 });
  archive.add('bin/busybox', FILE, readFileSync(BUSYBOX));
  archive.add('init', FILE, readFileSync(INIT));
  if (seed !== undefined) archive.add('seed', FILE, seed);
  if (diskModulesOf !== undefined) {
    for (const [index, module] of DISK_MODULES.entries()) {
      const contents = readFileSync(join(diskModulesOf.modules, 'kernel', module));
      archive.add(`modules/${index}-${basename(module)}`, FILE, contents);
    }
  }
  return archive.end();
}

class Archive {
  readonly #pieces: Buffer[] = [];
  #inode = 1;

  add(name: string, mode: number, contents: Buffer = Buffer.alloc(0), device = { major: 0, minor: 0 }): void {
    const fields = [
      this.#inode++,
      mode,
      0, // owner
      0, // group
      1, // links
      0, // time of modification
      contents.length,
      0, // device that holds the file: major and minor
      0,
      device.major,
      device.minor,
      name.length + 1,
      0, // checksum, unused
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    this.#pieces.push(padded(Buffer.from(`${header}${name}\0`)), padded(contents));
  }

  end(): Buffer {
    this.add('TRAILER!!!', 0);
    return Buffer.concat(this.#pieces);
  }
}

/** Everything in the archive begins at a multiple of 4. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
