// The simulated guest as a Xen domain: bodies of the records before and after its pages.
// Sizes and order follow streams that Xen 4.17 wrote for guests with one CPU. Contents are made up but obey the
// specification. Knows nothing of rounds.

import { Buffer } from 'node:buffer';
import { PAGE_BYTES } from '../../page/size.js';
import { deviceState } from '../device-state.js';
import { DOMAIN_TYPE, PAGE_TYPE, RECORD } from './libxc-format.js';
import { mixSeed } from '../../image/random.js';
import { writeTrailer, type Trailer } from './trailer.js';

export interface LibxcRecord {
  readonly type: number;
  readonly body: Buffer;
}

export interface XenDomain {
  /** Domain type in the domain header. */
  readonly type: number;
  /** Page frames of the first round; frames beyond RAM are sent as absent. */
  readonly frames: number;
  /** Records before the first page. */
  readonly before: readonly LibxcRecord[];
  /** Records between the last page and END. */
  after(trailer: Trailer | undefined): LibxcRecord[];
  /** Type of a page of RAM: a PAGE_TYPE with contents. */
  pageType(pfn: number): number;
}

/** Frames of a PVH guest's first round, for every size of RAM: up to the special pages just below 4 GiB. */
const PVH_FRAMES = 0xff000;

const CPUID_LEAVES = 49;
const GUEST_WIDTH = 8;
const ENTRIES_PER_P2M_FRAME = PAGE_BYTES / GUEST_WIDTH;
/** One page of PAGES_PER_TABLE is a page table of a PV guest. */
const PAGES_PER_TABLE = 170;
const TABLE_TYPES = [
  PAGE_TYPE.l1Pinned,
  PAGE_TYPE.l1Pinned,
  PAGE_TYPE.l3,
  PAGE_TYPE.l3,
  PAGE_TYPE.l1,
  PAGE_TYPE.l2,
  PAGE_TYPE.l4Pinned,
];

/** @param ramPages size of RAM; @param seed seed of the made-up contents */
export function pvDomain(ramPages: number, seed: number): XenDomain {
  const info = Buffer.alloc(8);
  info[0] = GUEST_WIDTH;
  info[1] = 4; // levels of page tables
  return {
    type: DOMAIN_TYPE.pv,
    frames: ramPages,
    before: [
      { type: RECORD.pvInfo, body: info },
      ...policies(seed),
      { type: RECORD.staticDataEnd, body: Buffer.alloc(0) },
      { type: RECORD.pvP2mFrames, body: p2mFrames(ramPages) },
    ],
    after(trailer) {
      const xsave = vcpuState(848, mixSeed(seed, RECORD.vcpuXsave));
      if (trailer !== undefined) writeTrailer(xsave, trailer);
      return [
        tscInfo(seed),
        { type: RECORD.sharedInfo, body: deviceState(PAGE_BYTES, mixSeed(seed, RECORD.sharedInfo)) },
        { type: RECORD.vcpuBasic, body: vcpuState(5168, mixSeed(seed, RECORD.vcpuBasic)) },
        { type: RECORD.vcpuExtended, body: vcpuState(64, mixSeed(seed, RECORD.vcpuExtended)) },
        { type: RECORD.vcpuXsave, body: xsave },
      ];
    },
    pageType(pfn) {
      const dice = mixSeed(seed, pfn);
      if (dice % PAGES_PER_TABLE !== 0) return PAGE_TYPE.normal;
      return TABLE_TYPES[(dice >>> 16) % TABLE_TYPES.length]!;
    },
  };
}

/** A PVH (or HVM) domain. @param frames page frames of the first round; at least all of RAM */
export function pvhDomain(ramPages: number, seed: number, frames = PVH_FRAMES): XenDomain {
  return {
    type: DOMAIN_TYPE.hvm,
    frames: Math.max(frames, ramPages),
    before: [...policies(seed), { type: RECORD.staticDataEnd, body: Buffer.alloc(0) }],
    after(trailer) {
      const context = deviceState(2504, mixSeed(seed, RECORD.hvmContext));
      if (trailer !== undefined) writeTrailer(context, trailer);
      // The specification puts HVM_PARAMS first. Xen writes them last, and this writer follows Xen.
      return [tscInfo(seed), { type: RECORD.hvmContext, body: context }, hvmParams(seed)];
    },
    pageType: () => PAGE_TYPE.normal,
  };
}

function policies(seed: number): LibxcRecord[] {
  const cpuid = deviceState(CPUID_LEAVES * 24, mixSeed(seed, RECORD.cpuidPolicy));
  for (let leaf = 0; leaf < CPUID_LEAVES; leaf++) {
    cpuid.writeUInt32LE(leaf, leaf * 24);
    cpuid.writeUInt32LE(0xffff_ffff, leaf * 24 + 4); // no subleaf
  }
  const msr = Buffer.alloc(32); // index, flags, value: PLATFORM_INFO and ARCH_CAPABILITIES
  msr.writeUInt32LE(0xce, 0);
  msr.writeUInt32LE(0x10a, 16);
  return [
    { type: RECORD.cpuidPolicy, body: cpuid },
    { type: RECORD.msrPolicy, body: msr },
  ];
}

/** The frames that hold the guest's P2M table, at the top of its memory as under Linux. */
function p2mFrames(ramPages: number): Buffer {
  const count = Math.ceil(ramPages / ENTRIES_PER_P2M_FRAME);
  const body = Buffer.alloc(8 + count * 8);
  body.writeUInt32LE(ramPages - 1, 4);
  for (let i = 0; i < count; i++) body.writeBigUInt64LE(BigInt(ramPages - 1 - i), 8 + i * 8);
  return body;
}

function vcpuState(bytes: number, seed: number): Buffer {
  // vcpu_id 0 and a reserved word, then the context.
  return Buffer.concat([Buffer.alloc(8), deviceState(bytes, seed)]);
}

function tscInfo(seed: number): LibxcRecord {
  const body = Buffer.alloc(24);
  body.writeUInt32LE(2_594_070, 4); // kHz
  body.writeUInt32LE(mixSeed(seed, RECORD.tscInfo), 8); // ns
  body.writeUInt32LE(1, 16); // incarnation
  return { type: RECORD.tscInfo, body };
}

function hvmParams(seed: number): LibxcRecord {
  const indices = [1, 2, 3, 17, 18, 35, 36, 37];
  const body = Buffer.alloc(8 + indices.length * 16);
  body.writeUInt32LE(indices.length);
  for (const [i, index] of indices.entries()) {
    body.writeUInt32LE(index, 8 + i * 16);
    body.writeUInt32LE(0xfeff_0000 + (mixSeed(seed, index) & 0xffff), 16 + i * 16);
  }
  return { type: RECORD.hvmParams, body };
}
