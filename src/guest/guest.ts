// A simulated guest: main memory, and the hypervisor whose stream it writes.
// Takes an image file or the generator's options; promises the same guest for the same options. Knows no rounds.

import type { ByteSink } from '../io/bytes.js';
import type { ImageProfile } from '../image/profiles.js';
import type { GuestFormat } from '../options/amounts.js';
import { PAGE_BYTES } from '../page/size.js';
import { LibxcWriter, xlConfiguration } from './stream/libxc-writer.js';
import { addFirmware, machinePages, q35Machine } from './stream/qemu-machine.js';
import { QemuWriter } from './stream/qemu-writer.js';
import { generatedRam, loadRam, type GuestRam } from './ram.js';
import type { StreamWriter } from './stream/stream-writer.js';
import { pvDomain, pvhDomain } from './stream/xen-domain.js';

export interface GuestOptions {
  readonly format: GuestFormat;
  /** Contents of main memory: an image file, or a generated image. */
  readonly memory: { readonly path: string } | { readonly bytes: number; readonly profile: ImageProfile };
  /** Seed of generated memory, firmware and device state. */
  readonly seed: number;
  /** QEMU: a PART ends when it has this many bytes (default: 100 ms of QEMU's default max-bandwidth). */
  readonly partBytes?: number;
  /** PVH: page frames that the first round walks (default 0xff000, as Xen does). */
  readonly pvhFrames?: number;
}

export interface SimulatedGuest {
  readonly ram: GuestRam;
  /** Pages of main memory, which programs write to. They are the first pages of RAM. */
  readonly mainPages: number;
  /** @param returnPath announce a return path, so that the destination may answer (QEMU) */
  openWriter(sink: ByteSink, returnPath: boolean): StreamWriter;
}

/**
 * @throws RamferryError ERR_OPTION_INVALID for a size that is not a whole number of pages, ERR_INPUT_OPEN,
 *   ERR_INPUT_READ or ERR_INPUT_CHANGED for an image file
 */
export async function createGuest(options: GuestOptions): Promise<SimulatedGuest> {
  const { format, memory, seed } = options;
  const ram = 'path' in memory ? await loadRam(memory.path) : generatedRam({ ...memory, seed });
  const mainPages = ram.pages;
  if (format === 'qemu') {
    const machine = q35Machine(mainPages * PAGE_BYTES, seed);
    ram.grow(machinePages(machine));
    addFirmware(ram, machine, seed);
    const part = options.partBytes === undefined ? {} : { partBytes: options.partBytes };
    return {
      ram,
      mainPages,
      openWriter: (sink, returnPath) => new QemuWriter(sink, ram, machine, { returnPath, ...part }),
    };
  }
  const type = format.endsWith('pvh') ? 'pvh' : 'pv';
  const domain = type === 'pv' ? pvDomain(mainPages, seed) : pvhDomain(mainPages, seed, options.pvhFrames);
  const wrapping = format.startsWith('xl')
    ? { xlConfiguration: xlConfiguration(type, mainPages * PAGE_BYTES) }
    : {};
  return { ram, mainPages, openWriter: (sink) => new LibxcWriter(sink, ram, domain, wrapping) };
}
