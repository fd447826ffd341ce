// The QEMU machine that the simulated guest runs on: its RAM blocks, its devices and their VMDESCRIPTION.
// The tables follow a stream that QEMU 7.2 wrote for a q35 machine. A simulated stream therefore has the same records
// in the same order and sizes. Contents of the device state are made up. Knows nothing of rounds.

import { Buffer } from 'node:buffer';
import { RamferryError } from '../../errors.js';
import { PAGE_BYTES } from '../../page/size.js';
import { deviceState } from '../device-state.js';
import type { GuestRam } from '../ram.js';
import { mixSeed } from '../../image/random.js';

export interface RamBlock {
  readonly name: string;
  readonly bytes: number;
}

export interface QemuDevice {
  /** Section id. */
  readonly id: number;
  /** The section's idstr. */
  readonly name: string;
  readonly instance: number;
  readonly version: number;
  readonly state: Buffer;
}

export interface QemuMachine {
  /** Machine type, as the CONFIGURATION section has it. */
  readonly type: string;
  /** In the order of the MEM_SIZE list; main memory is the first. GuestRam holds their pages in this order. */
  readonly blocks: readonly RamBlock[];
  readonly devices: readonly QemuDevice[];
  /** The device whose state ends with the trailer; absent when no state may be changed. */
  readonly trailerIn?: string;
  /** The JSON text of VMDESCRIPTION. */
  readonly description: Buffer;
}

/** Firmware's RAM blocks, which follow main memory. */
const FIRMWARE: readonly RamBlock[] = [
  { name: '/rom@etc/acpi/tables', bytes: 0x20000 },
  { name: 'pc.bios', bytes: 0x40000 },
  { name: 'pc.rom', bytes: 0x20000 },
  { name: '/rom@etc/table-loader', bytes: 0x1000 },
  { name: '/rom@etc/acpi/rsdp', bytes: 0x1000 },
];

type DeviceRow = readonly [id: number, name: string, instance: number, version: number, bytes: number];
/** FULL sections of a q35 machine with one virtio disk, QEMU 7.2. */
const DEVICES: readonly DeviceRow[] = [
  [0, 'timer', 0, 2, 24],
  [4, 'cpu_common', 0, 1, 8],
  [5, 'cpu', 0, 12, 1945],
  [6, 'kvm-tpr-opt', 0, 1, 144],
  [7, 'apic', 0, 3, 181],
  [8, 'fw_cfg', 0, 2, 74],
  [9, '0000:00:00.0/mch', 0, 1, 277],
  [10, 'PCIHost', 0, 1, 4],
  [11, 'PCIBUS', 0, 1, 36],
  [12, 'dma', 0, 1, 75],
  [13, 'dma', 1, 1, 75],
  [14, '0000:00:1f.0/ICH9LPC', 0, 1, 18912],
  [15, 'i8259', 0, 1, 16],
  [16, 'i8259', 1, 1, 16],
  [17, 'ioapic', 0, 3, 206],
  [18, 'mc146818rtc', 0, 3, 245],
  [19, 'i8254', 0, 3, 108],
  [20, 'pcspk', 0, 1, 2],
  [21, 'serial', 0, 3, 11],
  [22, 'ps2kbd', 0, 3, 284],
  [23, 'ps2mouse', 0, 2, 291],
  [24, 'pckbd', 0, 3, 40],
  [25, 'vmmouse', 0, 0, 4105],
  [26, 'port92', 0, 1, 1],
  [27, '0000:00:1f.2/ich9_ahci', 0, 1, 4168],
  [28, 'i2c_bus', 0, 1, 1],
  [29, '0000:00:1f.3/ich9_smb', 0, 1, 325],
  [38, '0000:00:01.0/virtio-blk', 0, 2, 45605],
  [39, 'acpi_build', 0, 1, 1],
  [40, 'globalstate', 0, 1, 104],
];

/** The run state `running`: u32 length of the word with its zero byte, then 100 bytes. */
function globalState(): Buffer {
  const state = Buffer.alloc(104);
  state.writeUInt32BE('running'.length + 1);
  state.write('running', 4, 'latin1');
  return state;
}

/**
 * @param ramBytes main memory: a positive multiple of 4096
 * @param seed of the made-up device state
 */
export function q35Machine(ramBytes: number, seed: number): QemuMachine {
  const devices = DEVICES.map(([id, name, instance, version, bytes]) => ({
    id,
    name,
    instance,
    version,
    state: name === 'globalstate' ? globalState() : deviceState(bytes, mixSeed(seed, id)),
  }));
  return {
    type: 'pc-q35-7.2',
    blocks: [{ name: 'pc.ram', bytes: ramBytes }, ...FIRMWARE],
    devices,
    trailerIn: 'cpu',
    description: describeDevices(devices),
  };
}

/**
 * The description as QEMU writes it, down to the blanks, since stream analysers (analyze-migration.py) parse this text.
 * Each device has one field, a buffer of its whole state.
 */
function describeDevices(devices: readonly QemuDevice[]): Buffer {
  const list = devices.map(
    ({ name, instance, version, state }) =>
      `{"name": ${JSON.stringify(name)}, "instance_id": ${instance}, "vmsd_name": ${JSON.stringify(name)}, ` +
      `"version": ${version}, "fields": [{"name": "state", "type": "buffer", "size": ${state.length}}]}`,
  );
  return Buffer.from(`{"page_size": ${PAGE_BYTES}, "devices": [${list.join(', ')}]}`);
}

/** Pages of all blocks together: the size that GuestRam must have. */
export function machinePages(machine: QemuMachine): number {
  return machine.blocks.reduce((sum, block) => sum + block.bytes / PAGE_BYTES, 0);
}

/** Writes made-up firmware behind main memory, which `ram` already holds. */
export function addFirmware(ram: GuestRam, machine: QemuMachine, seed: number): void {
  let first = 0;
  for (const [i, block] of machine.blocks.entries()) {
    // BIOS and option ROM are all zero in the stream that the tables follow.
    if (i > 0 && block.name.startsWith('/rom@')) ram.write(first, deviceState(PAGE_BYTES, mixSeed(seed, i)));
    first += block.bytes / PAGE_BYTES;
  }
  if (first !== ram.pages) {
    throw new RamferryError('ERR_INTERNAL', `the machine has ${first} pages of RAM, not ${ram.pages}`);
  }
}
