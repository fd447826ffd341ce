// The records that libxc's saver always writes before END or CHECKPOINT (Xen's tools/libs/guest/xg_sr_save.c,
// xg_sr_save_x86_pv.c and xg_sr_save_x86_hvm.c). A stream without them has lost bytes. Takes record types in order, no bodies;
// optional records are not required.

import { LIBXC_RECORD, XENGUEST_RECORD } from './libxc-format.js';

/** Domain types of the specification; the required records of other types are unknown. */
const DOMAIN = { pv: 1, hvm: 2 } as const;

/** STATIC_DATA_END came with version 3. */
const STATIC_DATA_VERSION = 3;

/** Every saver sends the domain's memory, even where all pages of a record are absent. */
const ALWAYS: Readonly<Record<number, string>> = { [LIBXC_RECORD.pageData]: 'PAGE_DATA' };

/** A suspended PV guest has at least one vcpu online. XSAVE and MSRS are optional. */
const PV: Readonly<Record<number, string>> = {
  [LIBXC_RECORD.pvInfo]: 'X86_PV_INFO',
  [LIBXC_RECORD.pvP2mFrames]: 'X86_PV_P2M_FRAMES',
  [LIBXC_RECORD.sharedInfo]: 'SHARED_INFO',
  [LIBXC_RECORD.pvVcpuBasic]: 'X86_PV_VCPU_BASIC',
};

/** HVM_PARAMS is absent when all parameters are 0. */
const HVM: Readonly<Record<number, string>> = { [LIBXC_RECORD.hvmContext]: 'HVM_CONTEXT' };

export class DomainRecords {
  readonly #wanted: Map<number, string>;

  /** @param version of the image header; @param type of the domain header */
  constructor(version: number, type: number) {
    this.#wanted = new Map([
      ...(version >= STATIC_DATA_VERSION ? [[LIBXC_RECORD.staticDataEnd, 'STATIC_DATA_END'] as const] : []),
      ...namesOf(ALWAYS),
      ...(type === DOMAIN.pv ? namesOf(PV) : []),
      ...(type === DOMAIN.hvm ? namesOf(HVM) : []),
    ]);
  }

  saw(type: number): void {
    this.#wanted.delete(type === XENGUEST_RECORD.chunk ? LIBXC_RECORD.pageData : type);
  }

  /** Names of the missing records. */
  get missing(): readonly string[] {
    return [...this.#wanted.values()];
  }
}

function namesOf(records: Readonly<Record<number, string>>): (readonly [number, string])[] {
  return Object.entries(records).map(([type, name]) => [Number(type), name]);
}
