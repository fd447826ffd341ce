// The outline of a QEMU stream: its records without their contents, for comparing simulated streams with real ones.
// Takes a whole stream in memory. Device state has no length in the stream, so the outline follows VMDESCRIPTION's list
// of devices. It knows no machine.

import { Buffer } from 'node:buffer';
import { RamferryError } from '../../../src/errors.js';
import { QEMU_MAGIC } from '../../../src/grammar/magics.js';
import type { SectionHead } from '../../../src/grammar/qemu/fields.js';
import { FILE_VERSION, RAM_FLAG, SECTION } from '../../../src/grammar/qemu/format.js';
import type { QemuDevice, QemuMachine, RamBlock } from '../../../src/guest/stream/qemu-machine.js';
import { PAGE_BYTES } from '../../../src/page/size.js';

/** One PART or END of the ram section. */
export interface RamSection {
  readonly type: number;
  readonly id: number;
  readonly zeroPages: number;
  readonly pages: number;
  /** Named blocks in order. A name appears where a page's block differs from that of the page before. */
  readonly named: readonly string[];
  /** Length of the data before the end-of-section word. */
  readonly dataBytes: number;
}

export interface QemuOutline {
  readonly machineType: string;
  readonly start: { readonly id: number; readonly name: string; readonly version: number };
  readonly blocks: readonly RamBlock[];
  readonly sections: readonly RamSection[];
  readonly devices: readonly QemuDevice[];
  /** The JSON text after the end of sections. */
  readonly description: Buffer;
}

/** @throws RamferryError ERR_STREAM_FORMAT or ERR_STREAM_TRUNCATED for anything but a precopy stream of QEMU 7.2's form */
export function outlineQemu(stream: Buffer): QemuOutline {
  const walk = new Walk(stream);
  try {
    return walk.outline();
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends inside a section', {
      offset: stream.length,
      cause: thrown,
    });
  }
}

/** The machine of a real stream. With it, a writer can send the stream's RAM again with the same bytes. */
export function machineOf({ machineType, blocks, devices, description }: QemuOutline): QemuMachine {
  return { type: machineType, blocks, devices, description };
}

/**
 * The differences between two streams of the same machine, in words; empty when their records agree. The number of
 * PARTs, their pages and the contents may differ from guest to guest.
 */
export function compareOutlines(one: QemuOutline, other: QemuOutline): string[] {
  const shape = (outline: QemuOutline): [string, unknown][] => [
    ['machine type', outline.machineType],
    ['ram START', outline.start],
    ['RAM blocks', outline.blocks],
    // QEMU omits the name while pages belong to the same block, so a first pass names each block once.
    [
      'blocks named in the first pass',
      outline.sections.flatMap(({ named }) => named).slice(0, outline.blocks.length),
    ],
    ['last ram section', outline.sections.at(-1)?.type],
    ['ram sections before it', outline.sections.slice(0, -1).every(({ type }) => type === SECTION.part)],
    ['section ids', [...new Set(outline.sections.map(({ id }) => id))]],
    ['devices', outline.devices.map(({ state, ...device }) => ({ ...device, bytes: state.length }))],
    ['described devices', describedDevices(outline.description)],
  ];
  const otherShape = shape(other);
  return shape(one).flatMap(([what, value], i) => {
    const [found, expected] = [JSON.stringify(value), JSON.stringify(otherShape[i]![1])];
    return found === expected ? [] : [`${what}: ${found} is not ${expected}`];
  });
}

interface DescribedDevice {
  readonly name: string;
  readonly instance: number;
  readonly version: number | undefined;
}

function describedDevices(description: Buffer): DescribedDevice[] {
  const { devices } = JSON.parse(description.toString()) as {
    devices: { name: string; instance_id: number; version?: number }[];
  };
  return devices.map(({ name, instance_id, version }) => ({ name, instance: instance_id, version }));
}

class Walk {
  readonly #stream: Buffer;
  #at = 0;

  constructor(stream: Buffer) {
    this.#stream = stream;
  }

  outline(): QemuOutline {
    this.#expect(
      this.#take(4).equals(QEMU_MAGIC) && this.#u32() === FILE_VERSION,
      'no QEMU stream of version 3',
    );
    this.#expect(this.#u8() === SECTION.configuration, 'no CONFIGURATION');
    const machineType = this.#text(this.#u32());
    this.#commands();
    this.#expect(this.#u8() === SECTION.start, 'no START of ram');
    const { id, name, version } = this.#sectionHead();
    const blocks = this.#blockList();
    this.#footer(id);
    const sections: RamSection[] = [];
    do sections.push(this.#ramSection());
    while (sections.at(-1)!.type !== SECTION.end);
    const description = this.#findDescription();
    const devices = this.#devices(describedDevices(description));
    this.#expect(this.#u8() === SECTION.eof, 'more sections than VMDESCRIPTION knows');
    return { machineType, start: { id, name, version }, blocks, sections, devices, description };
  }

  #commands(): void {
    while (this.#stream[this.#at] === SECTION.command)
      this.#at += 5 + this.#stream.readUInt16BE(this.#at + 3);
  }

  #blockList(): RamBlock[] {
    const total = this.#word();
    this.#expect(total.flags === RAM_FLAG.memSize, 'no list of RAM blocks');
    const blocks: RamBlock[] = [];
    for (let left = total.address; left > 0;) {
      const block = { name: this.#text(this.#u8()), bytes: this.#word().address };
      this.#expect(block.bytes > 0 && block.bytes <= left, 'RAM blocks do not fill the total');
      blocks.push(block);
      left -= block.bytes;
    }
    this.#expect(this.#word().flags === RAM_FLAG.eos, 'no end of the list of RAM blocks');
    return blocks;
  }

  #ramSection(): RamSection {
    const type = this.#u8();
    this.#expect(type === SECTION.part || type === SECTION.end, `section type ${type} among those of ram`);
    const id = this.#u32();
    const start = this.#at;
    let zeroPages = 0;
    let pages = 0;
    const named: string[] = [];
    for (;;) {
      const { flags } = this.#word();
      if (flags === RAM_FLAG.eos) break;
      if ((flags & RAM_FLAG.continue) === 0) named.push(this.#text(this.#u8()));
      const kind = flags & ~RAM_FLAG.continue;
      this.#expect(kind === RAM_FLAG.zero || kind === RAM_FLAG.page, `page flags ${flags}`);
      if (kind === RAM_FLAG.zero) zeroPages++;
      else pages++;
      this.#at += kind === RAM_FLAG.zero ? 1 : PAGE_BYTES;
    }
    const dataBytes = this.#at - 8 - start;
    this.#footer(id);
    return { type, id, zeroPages, pages, named, dataBytes };
  }

  /** Finds VMDESCRIPTION, which ends the stream: its length must lead exactly to the stream's end. */
  #findDescription(): Buffer {
    const stream = this.#stream;
    const begin = Buffer.from('{"page_size"');
    for (let at = stream.lastIndexOf(begin); at >= this.#at + 5; at = stream.lastIndexOf(begin, at - 1)) {
      const fits = stream.readUInt32BE(at - 4) === stream.length - at;
      if (fits && stream[at - 5] === SECTION.vmDescription) return stream.subarray(at);
    }
    throw this.#wrong('no VMDESCRIPTION at the end');
  }

  #devices(described: readonly DescribedDevice[]): QemuDevice[] {
    return described.map((device, i) => {
      this.#expect(this.#u8() === SECTION.full, 'no FULL section');
      const head = this.#sectionHead();
      this.#expect(
        head.name === device.name && head.instance === device.instance,
        `device ${head.name} is not the ${device.name} of VMDESCRIPTION`,
      );
      const start = this.#at;
      const end = this.#endOfState(head.id, described[i + 1]);
      this.#at = end;
      this.#footer(head.id);
      return { ...head, state: this.#stream.subarray(start, end) };
    });
  }

  /** Position of this section's footer: the next device or the end of sections must follow it. */
  #endOfState(id: number, next: DescribedDevice | undefined): number {
    const mark = Buffer.of(SECTION.footer, 0, 0, 0, 0);
    mark.writeUInt32BE(id, 1);
    for (let at = this.#stream.indexOf(mark, this.#at); at >= 0; at = this.#stream.indexOf(mark, at + 1)) {
      const after = at + mark.length;
      const type = this.#stream[after];
      if (
        next === undefined
          ? type === SECTION.eof
          : type === SECTION.full && this.#isNamed(after + 5, next.name)
      ) {
        return at;
      }
    }
    throw this.#wrong(`section ${id} has no footer`);
  }

  #isNamed(at: number, name: string): boolean {
    const length = this.#stream[at];
    return length === name.length && this.#stream.toString('latin1', at + 1, at + 1 + length) === name;
  }

  #sectionHead(): SectionHead {
    return { id: this.#u32(), name: this.#text(this.#u8()), instance: this.#u32(), version: this.#u32() };
  }

  #footer(id: number): void {
    this.#expect(this.#u8() === SECTION.footer && this.#u32() === id, `section ${id} has no footer`);
  }

  #u8(): number {
    return this.#stream.readUInt8(this.#at++);
  }

  #u32(): number {
    this.#at += 4;
    return this.#stream.readUInt32BE(this.#at - 4);
  }

  #word(): { address: number; flags: number } {
    const high = this.#u32();
    const low = this.#u32();
    const flags = low % PAGE_BYTES;
    return { address: high * 2 ** 32 + (low - flags), flags };
  }

  #text(length: number): string {
    return this.#take(length).toString('latin1');
  }

  #take(length: number): Buffer {
    this.#at += length;
    if (this.#at > this.#stream.length) throw new RangeError('beyond the end of the stream');
    return this.#stream.subarray(this.#at - length, this.#at);
  }

  #expect(holds: boolean, message: string): void {
    if (!holds) throw this.#wrong(message);
  }

  #wrong(message: string): RamferryError {
    return new RamferryError('ERR_STREAM_FORMAT', message, { offset: this.#at });
  }
}
