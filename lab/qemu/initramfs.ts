// The test guest's only file system: an uncompressed cpio archive ("newc", Documentation/driver-api/
// early-userspace/buffer-format.rst of the kernel) with busybox, an init script and the data for the guest's memory.
// Pure apart from reading these files.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const INIT = fileURLToPath(new URL('../../../lab/qemu/guest-init.sh', import.meta.url));
const BUSYBOX = '/usr/bin/busybox';

const FILE = 0o100755;
const DIRECTORY = 0o040755;
const CHARACTER_DEVICE = 0o020600;

/** Kernel modules for a virtio disk, in the order of loading. */
const DISK_MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
];

/** The result of `findKernel`. `modules` may be missing when the guest has no disk. */
export interface Kernel {
  readonly image: string;
  readonly modules: string;
}

/** The newest installed Debian kernel of the small flavour; undefined when there is none. */
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
  /** Contents of /seed, a multiple of 64 KiB. `sum` and `dirty` read them in a guest without a disk. */
  readonly seed?: Buffer;
  /** The kernel whose modules for a virtio disk the guest loads. */
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

/** Pads to a multiple of 4 bytes, the alignment of the archive's parts. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
