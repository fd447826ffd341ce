// What every libxc stream must have shown before its END or a CHECKPOINT: the records that libxc's saver always writes
// (Xen's tools/libs/guest/xg_sr_save.c, xg_sr_save_x86_pv.c and xg_sr_save_x86_hvm.c). A stream without them lost bytes.
// Takes record types in order; knows no bodies. What the saver may leave out is not asked for.

import { LIBXC_RECORD, XENGUEST_RECORD } from './libxc-format.js';

/** Domain types of the specification; the records of any other type are not known. */
const DOMAIN = { pv: 1, hvm: 2 } as const;

/** STATIC_DATA_END came with version 3. */
const STATIC_DATA_VERSION = 3;

/** Every saver sends the domain's memory, even where a record holds absent pages only. */
const ALWAYS: Readonly<Record<number, string>> = { [LIBXC_RECORD.pageData]: 'PAGE_DATA' };

/** A suspended PV guest has one vcpu online at least. The saver may leave out XSAVE and MSRS. */
const PV: Readonly<Record<number, string>> = {
  [LIBXC_RECORD.pvInfo]: 'X86_PV_INFO',
  [LIBXC_RECORD.pvP2mFrames]: 'X86_PV_P2M_FRAMES',
  [LIBXC_RECORD.sharedInfo]: 'SHARED_INFO',
  [LIBXC_RECORD.pvVcpuBasic]: 'X86_PV_VCPU_BASIC',
};

/** The saver leaves HVM_PARAMS out when all parameters are 0. */
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

  /** Names of the records that have not come. */
  get missing(): readonly string[] {
    return [...this.#wanted.values()];
  }
}

function namesOf(records: Readonly<Record<number, string>>): (readonly [number, string])[] {
  return Object.entries(records).map(([type, name]) => [Number(type), name]);
}
