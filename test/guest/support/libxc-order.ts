// The order of records in a libxc stream (specification, "Layout" and "v3 compat with v2").
// Takes the types in order; knows nothing of bodies.

import { DOMAIN_TYPE, OPTIONAL_RECORD, RECORD } from '../../../src/guest/stream/libxc-format.js';

const NAMES = new Map<number, string>(Object.entries(RECORD).map(([name, type]) => [type, name]));

/** State that does not change while the guest runs. It must precede STATIC_DATA_END. */
const STATIC: readonly number[] = [RECORD.pvInfo, RECORD.cpuidPolicy, RECORD.msrPolicy];
const VCPU: readonly number[] = [RECORD.vcpuBasic, RECORD.vcpuExtended, RECORD.vcpuXsave, RECORD.vcpuMsrs];
const PV_ONLY: readonly number[] = [RECORD.pvInfo, RECORD.pvP2mFrames, RECORD.sharedInfo, ...VCPU];
const HVM_ONLY: readonly number[] = [RECORD.hvmContext, RECORD.hvmParams];
const ONCE: readonly number[] = [
  RECORD.pvInfo,
  RECORD.staticDataEnd,
  RECORD.cpuidPolicy,
  RECORD.msrPolicy,
  RECORD.verify,
];
/** Records without which Xen cannot restore a domain, by domain type. */
const NEEDED: Readonly<Record<number, readonly number[]>> = {
  [DOMAIN_TYPE.pv]: [RECORD.pvInfo, RECORD.pvP2mFrames, RECORD.pageData, RECORD.sharedInfo, RECORD.vcpuBasic],
  [DOMAIN_TYPE.hvm]: [RECORD.pageData, RECORD.hvmContext, RECORD.hvmParams],
};
/** Steps of a PV stream. Each depends on the records of the step before. */
const PV_ORDER: readonly (readonly number[])[] = [
  [RECORD.pvInfo],
  [RECORD.pvP2mFrames],
  [RECORD.pageData],
  VCPU,
];

export class RecordOrder {
  readonly #seen = new Set<number>();

  constructor(
    private readonly version: number,
    private readonly domainType: number,
  ) {}

  /** @returns the rules that this record breaks at its position */
  next(type: number): string[] {
    const broken: string[] = [];
    const name = NAMES.get(type);
    if (name === undefined) {
      if (type < OPTIONAL_RECORD) broken.push(`mandatory record type ${type} is not in the specification`);
      return broken;
    }
    const pv = this.domainType === DOMAIN_TYPE.pv;
    if ((pv ? HVM_ONLY : PV_ONLY).includes(type))
      broken.push(`${name} does not belong to this type of domain`);
    if (ONCE.includes(type) && this.#seen.has(type)) broken.push(`${name} comes twice`);
    broken.push(...this.#staticData(type, name));
    if (pv) broken.push(...this.#pvOrder(type, name));
    if (type === RECORD.verify && !this.#seen.has(RECORD.pageData)) broken.push('verify before any page');
    if (type === RECORD.end) {
      for (const needed of NEEDED[this.domainType] ?? []) {
        if (!this.#seen.has(needed)) broken.push(`the stream has no ${NAMES.get(needed)!}`);
      }
    }
    this.#seen.add(type);
    return broken;
  }

  #staticData(type: number, name: string): string[] {
    const ended = this.#seen.has(RECORD.staticDataEnd);
    if (this.version < 3) {
      return type === RECORD.staticDataEnd ? ['staticDataEnd is unknown to version 2'] : [];
    }
    if (type === RECORD.staticDataEnd) return [];
    if (STATIC.includes(type)) return ended ? [`${name} after staticDataEnd`] : [];
    return ended ? [] : [`${name} before staticDataEnd`];
  }

  #pvOrder(type: number, name: string): string[] {
    const place = PV_ORDER.findIndex((types) => types.includes(type));
    if (place < 0) return [];
    // At least one record of the previous step must precede this one, and none of a later step.
    const before = place === 0 || PV_ORDER[place - 1]!.some((one) => this.#seen.has(one));
    const after = PV_ORDER.slice(place + 1).some((types) => types.some((one) => this.#seen.has(one)));
    return [
      ...(before ? [] : [`${name} before ${NAMES.get(PV_ORDER[place - 1]![0]!)!}`]),
      ...(after ? [`${name} after records that depend on it`] : []),
    ];
  }
}
