// A guest of 80 bytes of code that counts: it rewrites 8 MiB of its RAM with numbers that do not compress, writes a counter of 16 bits to
// the debug console, and begins again. It shows on which side it runs, and that no lap is lost or repeated. Needs no kernel.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A boot sector, at 0x7c00. Into protected mode with flat segments (lgdt, cr0, far jump), then:
 *
 *     mov eax, 0x12345678;  xor ebp, ebp
 *     lap:  mov edi, 0x1000000;  mov ecx, 0x200000
 *     fill: imul eax, eax, 0x41c64e6d;  add eax, 0x3039;  stosd;  loop fill
 *     inc ebp;  mov esi, eax;  mov eax, ebp;  out 0xe9, al;  mov al, ah;  out 0xe9, al;  mov eax, esi;  jmp lap
 */
const CODE =
  'fafc2e660f0116687c0f20c00c010f22c066ea197c0000080066b810008ed88ec0b87856341231edbf00000001b900002000' +
  '69c06d4ec6410539300000abe2f24589c689e8e6e988e0e6e989f0ebd990' +
  // The descriptors of null, code and data, and their table's limit and address.
  '0000000000000000ffff0000009acf00ffff00000092cf001700507c0000';

/** A disk must not be smaller than this, or the firmware does not read it. */
const DISK_BYTES = 65_536;

export class CountingGuest {
  readonly #image: string;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.#image = join(directory, 'counting.img');
    const disk = Buffer.alloc(DISK_BYTES);
    disk.write(CODE, 'hex');
    disk.writeUInt16LE(0xaa55, 510);
    writeFileSync(this.#image, disk);
  }

  /** Options of QEMU's command line for the machine of this name. */
  args(name: string): string[] {
    return [
      ...['-drive', `if=none,id=boot,file=${this.#image},format=raw,readonly=on`],
      ...['-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=boot'],
      ...['-chardev', `file,id=count,path=${this.#console(name)}`, '-device', 'isa-debugcon,chardev=count'],
    ];
  }

  /** What the guest has counted at this machine. */
  counted(name: string): number[] {
    const bytes = readFileSync(this.#console(name));
    return Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readUInt16LE(index * 2));
  }

  #console(name: string): string {
    return join(this.#directory, `${name}.count`);
  }
}
