// The guest of the live benchmark: 256 MiB, most of it page cache filled with ordinary files, optionally rewriting memory
// all the time. Knows how to make it, load it and see whether it is still itself; nothing of migration.

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

/** 256 MiB less a little: see MachineOptions. */
export const MEMORY_KIB = 256 * KIB - 8;
const DISK_BYTES = 160 * MIB;
/** What the disk is filled from, as far as it goes. */
const FILES = '/usr/lib';
/** No single file may fill the disk. */
const LARGEST_FILE = 8 * MIB;
/**
 * Whole pages: 2 MiB every 100 ms, round and round in 32 MiB, 20 MiB of pages dirtied a second. One line of each page:
 * 1 MiB every 100 ms in 16 MiB, since it takes the guest longer to make.
 */
const WRITERS = { dirty: 'dirty 32 512', lines: 'lines 16 256' } as const;
/** Until the writer has its pace. */
const WARM_UP_MS = 1500;

/** Starts guests that are all alike. */
export class Stable {
  readonly #scratch = scratchDirectory();
  readonly #kernel = findKernel()!;
  readonly #initrd = join(this.#scratch.path, 'initrd');
  readonly #disk = join(this.#scratch.path, 'disk');
  readonly #sum: string;
  #count = 0;

  constructor() {
    writeFileSync(this.#initrd, buildInitramfs({ diskModulesOf: this.#kernel }));
    this.#sum = makeDisk(this.#disk);
  }

  /** For sockets and the like. */
  get directory(): string {
    return this.#scratch.path;
  }

  /** A QEMU that waits for `migrate-incoming`, or a guest that boots. */
  start(namespace: string | undefined, incoming?: 'defer'): Promise<Machine> {
    const { path: directory } = this.#scratch;
    const name = `vm${this.#count++}`;
    return Machine.start({
      ...{ name, directory, kernel: this.#kernel, initrd: this.#initrd, memoryKiB: MEMORY_KIB },
      ...{ disk: this.#disk, incoming, namespace },
    });
  }

  /** A guest with a full page cache, under load. */
  async boot(namespace: string | undefined, load: Load): Promise<Machine> {
    const machine = await this.start(namespace);
    await machine.says(/^tick /m);
    await machine.ask('fill');
    if (load !== 'idle') await burden(machine, load);
    return machine;
  }

  /** Whether the guest answers and its memory is what it wrote. Ends the load. */
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

/** Has the guest write again. */
export async function burden(machine: Machine, load: Exclude<Load, 'idle'>): Promise<void> {
  await machine.ask(WRITERS[load]);
  await sleep(WARM_UP_MS);
}

/** Files one after the other, each from a page's beginning, as a page cache holds them. Returns the disk's md5. */
function makeDisk(path: string): string {
  const hash = createHash('md5');
  const fd = openSync(path, 'wx');
  let left = DISK_BYTES;
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
