// A QEMU stream with a VFIO device beside ram, as hw/vfio/migration.c writes it: SETUP_STATE, then device data in rounds, up to
// END_OF_STATE. Deterministic. No QEMU without such a device can make one.

import { Buffer } from 'node:buffer';

import { Xorshift32 } from '../../lab/random.js';
import { counted, sectionFooter, sectionHead, u32, word } from '../../src/grammar/qemu/fields.js';
import { FILE_VERSION, RAM_FLAG, RAM_SECTION, SECTION } from '../../src/grammar/qemu/format.js';
import { QEMU_MAGIC } from '../../src/grammar/magics.js';
import { PAGE_BYTES } from '../../src/page/size.js';

const PAGES = 256;
const ROUNDS = 4;
const DATA_BYTES = 100_000;
const VFIO_SECTION = 9;
const BLOCK = 'pc.ram';

const flag = (number: number): Buffer => Buffer.concat([u32(0xffff_ffff), u32(0xef10_0000 + number)]);

export function vfioStream(machine: string): Buffer {
  const random = new Xorshift32(machine.length);
  const parts: Buffer[] = [Buffer.from(QEMU_MAGIC), u32(FILE_VERSION)];
  const { id } = RAM_SECTION;
  parts.push(Buffer.of(SECTION.configuration), u32(machine.length), Buffer.from(machine));
  parts.push(Buffer.of(SECTION.start), sectionHead(RAM_SECTION), word(PAGES * PAGE_BYTES, RAM_FLAG.memSize));
  parts.push(counted(BLOCK), word(PAGES * PAGE_BYTES, 0), word(0, RAM_FLAG.eos), sectionFooter(id));
  const vfio = { id: VFIO_SECTION, name: '0000:00:02.0/vfio', instance: 0, version: 1 };
  parts.push(Buffer.of(SECTION.start), sectionHead(vfio), flag(3), flag(1), sectionFooter(VFIO_SECTION));
  for (let round = 0; round < ROUNDS; round++) {
    parts.push(Buffer.of(round === ROUNDS - 1 ? SECTION.end : SECTION.part), u32(id));
    for (let page = 0; page < PAGES; page++) {
      parts.push(word(page * PAGE_BYTES, RAM_FLAG.page | (page === 0 ? 0 : RAM_FLAG.continue)));
      if (page === 0) parts.push(counted(BLOCK));
      parts.push(Buffer.concat([random.bytes(PAGE_BYTES / 2), Buffer.alloc(PAGE_BYTES / 2, page)]));
    }
    parts.push(word(0, RAM_FLAG.eos), sectionFooter(id));
    if (round === ROUNDS - 1) break;
    const data = [flag(4), word(DATA_BYTES, 0), random.bytes(DATA_BYTES), flag(1)];
    parts.push(Buffer.of(SECTION.part), u32(VFIO_SECTION), ...data, sectionFooter(VFIO_SECTION));
  }
  const description = Buffer.from('{"page_size": 4096}');
  parts.push(Buffer.of(SECTION.eof, SECTION.vmDescription), u32(description.length), description);
  return Buffer.concat(parts);
}
