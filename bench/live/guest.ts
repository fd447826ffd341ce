// The guest of the live benchmark: 256 MiB or 1 GiB, mostly page cache with ordinary files, optionally with a program that
// rewrites memory all the time. Boots, loads and checks the guest; knows nothing of migration.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { scratchDirectory } from '../../lab/cleanup.js';
import { buildInitramfs, findKernel } from '../../lab/qemu/initramfs.js';
import { Machine } from '../../lab/qemu/machine.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { KIB, MIB } from '../../src/units.js';

export const LOADS = ['idle', 'dirty', 'lines'] as const;
export type Load = (typeof LOADS)[number];

/** A guest's memory, and how much of it is page cache. */
export interface GuestSize {
  /** 8 KiB less than a round size; MachineOptions gives the reason. */
  readonly memoryKiB: number;
  readonly diskBytes: number;
}

export const SIZES: Readonly<Record<string, GuestSize>> = {
  '256MiB': { memoryKiB: 256 * KIB - 8, diskBytes: 160 * MIB },
  '1GiB': { memoryKiB: 1024 * KIB - 8, diskBytes: 600 * MIB },
};
/** Files for the disk, as many as fit. */
const FILES = '/usr/lib';
/** Larger files are left out, so that no single file fills the disk. */
const LARGEST_FILE = 8 * MIB;
/**
 * `dirty` writes whole pages: 2 MiB every 100 ms, cyclically in 32 MiB, so it dirties 20 MiB a second. `lines` writes
 * one line of each page: 1 MiB every 100 ms in 16 MiB, since the guest needs longer for it.
 */
const WRITERS = { dirty: 'dirty 32 512', lines: 'lines 16 256' } as const;
/** Time until the writer has reached its rate. */
const WARM_UP_MS = 1500;

/** Starts identical guests. */
export class GuestFactory {
  readonly #scratch = scratchDirectory();
  readonly #kernel = findKernel()!;
  readonly #initrd = join(this.#scratch.path, 'initrd');
  readonly #disk = join(this.#scratch.path, 'disk');
  readonly #sum: string;
  #count = 0;

  constructor(readonly size: GuestSize) {
    writeFileSync(this.#initrd, buildInitramfs({ diskModulesOf: this.#kernel }));
    this.#sum = makeDisk(this.#disk, size.diskBytes);
  }

  /** Directory for sockets and other temporary files. */
  get directory(): string {
    return this.#scratch.path;
  }

  /** Starts a QEMU whose guest boots, or one that waits for `migrate-incoming`. */
  start(namespace: string | undefined, incoming?: 'defer'): Promise<Machine> {
    const { path: directory } = this.#scratch;
    const name = `vm${this.#count++}`;
    return Machine.start({
      ...{ name, directory, kernel: this.#kernel, initrd: this.#initrd, memoryKiB: this.size.memoryKiB },
      ...{ disk: this.#disk, incoming, namespace },
    });
  }

  /** Boots a guest, fills its page cache and starts its load. */
  async boot(namespace: string | undefined, load: Load): Promise<Machine> {
    const machine = await this.start(namespace);
    await machine.says(/^tick /m);
    await machine.ask('fill');
    if (load !== 'idle') await burden(machine, load);
    return machine;
  }

  /** Whether the guest answers and its memory has the contents that it wrote. Ends the load. */
  async isIntact(machine: Machine, load: Load): Promise<boolean> {
    if ((await machine.ask('echo here')) !== 'here') return false;
    if (load !== 'idle') {
      await machine.ask('still');
      if (!(await machine.ask('check')).startsWith('good')) return false;
    }
    return (await machine.ask('sum')).startsWith(this.#sum);
  }

  remove(): void {
    this.#scratch.remove();
  }
}

/** Starts the guest's load again. */
export async function burden(machine: Machine, load: Exclude<Load, 'idle'>): Promise<void> {
  await machine.ask(WRITERS[load]);
  await sleep(WARM_UP_MS);
}

/** Writes files one after the other, each aligned to a page as in a page cache. @returns the disk's md5 */
function makeDisk(path: string, bytes: number): string {
  const hash = createHash('md5');
  const fd = openSync(path, 'wx');
  let left = bytes;
  try {
    for (const file of ordinaryFiles(FILES)) {
      const contents = readFileSync(file);
      const padded = Buffer.alloc(Math.min(left, Math.ceil(contents.length / PAGE_BYTES) * PAGE_BYTES));
      contents.copy(padded);
      hash.update(padded);
      writeSync(fd, padded);
      left -= padded.length;
      if (left === 0) break;
    }
    if (left > 0) throw new Error(`${FILES} has too few files to fill a disk`);
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

function* ordinaryFiles(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true });
  entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* ordinaryFiles(path);
    else if (entry.isFile() && statSync(path).size <= LARGEST_FILE) yield path;
  }
}
