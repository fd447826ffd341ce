// The CONFIGURATION section of a QEMU stream: the machine's name and subsections. A subsection has no length field, so an
// unknown one ends the walk. `lostBecause` says why the walk ended.

import type { SegmentSink } from '../grammar.js';
import { readCounted, readU32 } from './fields.js';
import {
  CAPABILITY,
  MAX_CAPABILITIES,
  MAX_MACHINE_NAME,
  PAGE_BITS,
  SECTION,
  SUBSECTION,
  UUID_LENGTH,
} from './format.js';

export class ConfigurationWalk {
  /** Set when the walk has ended: the current item differs from what savevm.c writes. */
  lostBecause: string | undefined;
  /** Capability x-ignore-shared: the list of RAM blocks has guest addresses. */
  ignoreShared = false;
  /** Capability mapped-ram: the list of RAM blocks has the pages themselves. */
  mappedRam = false;
  /** log2 of the target page size, where the stream says it. */
  pageBits: number | undefined;

  #capabilitiesLeft = 0;

  /** The next item is a capability, not a section's type. */
  get amidCapabilities(): boolean {
    return this.#capabilitiesLeft > 0;
  }

  /**
   * Consumes one item: the head of the section, a subsection, or a capability.
   * @returns its length; 0 where it is not complete, or the walk has ended
   */
  walk(data: Uint8Array, at: number, out: SegmentSink): number {
    const n = this.#item(data, at);
    if (n > 0) out.skeleton(n);
    return n;
  }

  #item(data: Uint8Array, at: number): number {
    if (this.amidCapabilities) return this.#capability(data, at);
    return data[at] === SECTION.configuration ? this.#head(data, at) : this.#subsection(data, at);
  }

  #head(data: Uint8Array, at: number): number {
    if (data.length - at < 5) return 0;
    const nameLength = readU32(data, at + 1);
    if (nameLength > MAX_MACHINE_NAME) return this.#lost('CONFIGURATION in an unknown form');
    const length = 5 + nameLength;
    return data.length - at < length ? 0 : length;
  }

  #subsection(data: Uint8Array, at: number): number {
    const name = readCounted(data, at + 1);
    if (name === undefined) return 0;
    const dataAt = at + 2 + name.length + 4;
    let bytes = 4;
    if (name === SUBSECTION.uuid) bytes = UUID_LENGTH;
    else if (name !== SUBSECTION.pageBits && name !== SUBSECTION.capabilities) {
      return this.#lost('unknown subsection of CONFIGURATION');
    }
    if (data.length < dataAt + bytes) return 0;
    if (name === SUBSECTION.pageBits) {
      const bits = readU32(data, dataAt);
      if (bits < PAGE_BITS.min || bits > PAGE_BITS.max) return this.#lost(`target pages of 2^${bits} bytes`);
      this.pageBits = bits;
    }
    if (name === SUBSECTION.capabilities) {
      const count = readU32(data, dataAt);
      if (count > MAX_CAPABILITIES) return this.#lost('too many capabilities');
      this.#capabilitiesLeft = count;
    }
    return dataAt + bytes - at;
  }

  #capability(data: Uint8Array, at: number): number {
    const name = readCounted(data, at);
    if (name === undefined) return 0;
    if (name === CAPABILITY.ignoreShared) this.ignoreShared = true;
    if (name === CAPABILITY.mappedRam) this.mappedRam = true;
    this.#capabilitiesLeft -= 1;
    return 1 + name.length;
  }

  #lost(because: string): 0 {
    this.lostBecause = because;
    return 0;
  }
}
