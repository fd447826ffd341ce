// A guest of 100 bytes of code that counts: it rewrites 8 MiB of its RAM with numbers that do not compress, writes a counter of 16 bits to
// the debug console, and begins again. It shows on which side it runs, and that no lap is lost or repeated. Needs no kernel.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { MIB } from '../../src/units.js';

/**
 * A boot sector, at 0x7c00. Into protected mode with flat segments (lgdt, cr0, far jump), then:
 *
 *     mov eax, 0x12345678;  xor ebp, ebp
 *     mov edi, 0x2000000;  mov ecx, FILLED / 4
 *     once: imul eax, eax, 0x41c64e6d;  add eax, 0x3039;  stosd;  loop once
 *     lap:  mov edi, 0x1000000;  mov ecx, REWRITTEN / 4
 *     fill: imul eax, eax, 0x41c64e6d;  add eax, 0x3039;  stosd;  loop fill
 *     inc ebp;  mov esi, eax;  mov eax, ebp;  out 0xe9, al;  mov al, ah;  out 0xe9, al;  mov eax, esi;  jmp lap
 */
function code(rewritten: number, filled: number): string {
  const fill = '69c06d4ec6410539300000abe2f2';
  return [
    'fafc2e660f0116807c0f20c00c010f22c066ea197c0000080066b810008ed88ec0b87856341231ed',
    // Without a count `loop` would run 2^32 times.
    filled === 0 ? '90'.repeat(24) : `bf00000002b9${littleEndian(filled / 4)}${fill}`,
    `bf00000001b9${littleEndian(rewritten / 4)}${fill}4589c689e8e6e988e0e6e989f0ebd990`,
    // The descriptors of null, code and data, and their table's limit and address.
    '0000000000000000ffff0000009acf00ffff00000092cf001700687c0000',
  ].join('');
}

function littleEndian(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
}

/** A disk must not be smaller than this, or the firmware does not read it. */
const DISK_BYTES = 65_536;

export interface CountingGuestOptions {
  /** Bytes that each lap rewrites, from 16 MiB on. Default 8 MiB. */
  readonly rewritten?: number;
  /** Bytes that are written once, from 32 MiB on, with numbers that do not compress. Default none. */
  readonly filled?: number;
}

export class CountingGuest {
  /** The boot disk. */
  readonly image: string;
  readonly #directory: string;

  constructor(directory: string, { rewritten = 8 * MIB, filled = 0 }: CountingGuestOptions = {}) {
    this.#directory = directory;
    this.image = join(directory, 'counting.img');
    const disk = Buffer.alloc(DISK_BYTES);
    disk.write(code(rewritten, filled), 'hex');
    disk.writeUInt16LE(0xaa55, 510);
    writeFileSync(this.image, disk);
  }

  /** Options of QEMU's command line for the machine of this name. */
  args(name: string): string[] {
    return [
      ...['-drive', `if=none,id=boot,file=${this.image},format=raw,readonly=on`],
      ...['-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=boot'],
      ...['-chardev', `file,id=count,path=${this.#console(name)}`, '-device', 'isa-debugcon,chardev=count'],
    ];
  }

  /** What the guest has counted at these machines, between which it moved in this order. */
  counted(...names: readonly string[]): number[] {
    return lapsOf(Buffer.concat(names.map((name) => readFileSync(this.#console(name)))));
  }

  #console(name: string): string {
    return join(this.#directory, `${name}.count`);
  }
}

/** The laps in the bytes of debug consoles. A guest may move between the two bytes of a lap. */
export function lapsOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readUInt16LE(index * 2));
}
