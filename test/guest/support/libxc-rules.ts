// Rules of the libxc specification (revision 3) for the body of each record, as pure functions on one body.
// Each returns the broken rules in words; none of them knows the order of records.

import type { Buffer } from 'node:buffer';
import { hasContents, isReservedType, RECORD } from '../../../src/guest/stream/libxc-format.js';
import { PAGE_BYTES } from '../../../src/page/size.js';

/** Checks the body of one record; for PAGE_DATA use {@link checkPageEntries}. */
export type BodyRule = (body: Buffer) => string[];

function when(broken: boolean, message: string): string[] {
  return broken ? [message] : [];
}

const empty: BodyRule = (body) => when(body.length !== 0, 'has no fields, its length must be 0');

const vcpu: BodyRule = (body) => {
  if (body.length < 8) return ['is shorter than vcpu_id and its reserved word'];
  return [
    ...when(body.readUInt32LE(4) !== 0, 'reserved word is not zero'),
    // Errata 1: a saver omits records without contents.
    ...when(body.length === 8, 'has no context: the record should have been left out'),
  ];
};

function arrayOf(size: number): BodyRule {
  return (body) => when(body.length === 0 || body.length % size !== 0, `is no array of ${size} byte entries`);
}

const pvInfo: BodyRule = (body) => {
  if (body.length !== 8) return ['must have 8 bytes'];
  const [width, levels] = body;
  return [
    ...when(width !== 4 && width !== 8, `guest width ${width} is neither 4 nor 8`),
    ...when(levels !== 3 && levels !== 4, `${levels} page table levels are neither 3 nor 4`),
    ...when(
      body.subarray(2).some((byte) => byte !== 0),
      'reserved bytes are not zero',
    ),
  ];
};

const tscInfo: BodyRule = (body) => {
  if (body.length !== 24) return ['must have 24 bytes'];
  return when(body.readUInt32LE(20) !== 0, 'reserved word is not zero');
};

const hvmParams: BodyRule = (body) => {
  if (body.length < 8) return ['is shorter than its count'];
  const count = body.readUInt32LE(0);
  return [
    ...when(body.readUInt32LE(4) !== 0, 'reserved word is not zero'),
    ...when(count === 0, 'has no parameters: the record should have been left out'),
    ...when(body.length !== 8 + count * 16, `length does not fit ${count} parameters`),
  ];
};

/** Rules of all records except PAGE_DATA and X86_PV_P2M_FRAMES, whose checks need more than the body. */
export const BODY_RULES: ReadonlyMap<number, BodyRule> = new Map([
  [RECORD.end, empty],
  [RECORD.pvInfo, pvInfo],
  [RECORD.vcpuBasic, vcpu],
  [RECORD.vcpuExtended, vcpu],
  [RECORD.vcpuXsave, vcpu],
  [RECORD.vcpuMsrs, vcpu],
  [RECORD.sharedInfo, (body) => when(body.length !== PAGE_BYTES, 'must be exactly one page')],
  [RECORD.tscInfo, tscInfo],
  [RECORD.hvmContext, (body) => when(body.length === 0, 'is empty')],
  [RECORD.hvmParams, hvmParams],
  [RECORD.toolstack, () => ['is deprecated and should not be used']],
  [RECORD.verify, empty],
  [RECORD.checkpoint, empty],
  [RECORD.checkpointDirtyPfnList, () => ['flows only from the secondary to the primary']],
  [RECORD.staticDataEnd, empty],
  [RECORD.cpuidPolicy, arrayOf(24)],
  [RECORD.msrPolicy, arrayOf(16)],
]);

/** @param guestWidth 4 or 8, from X86_PV_INFO */
export function checkP2mFrames(body: Buffer, guestWidth: number): string[] {
  if (body.length < 8) return ['is shorter than its range'];
  const start = body.readUInt32LE(0);
  const end = body.readUInt32LE(4);
  if (start > end) return [`range ${start} to ${end} is empty`];
  const perFrame = PAGE_BYTES / guestWidth;
  const frames = Math.floor(end / perFrame) - Math.floor(start / perFrame) + 1;
  return when(
    body.length !== 8 + frames * 8,
    `length does not fit the ${frames} frames of ${start} to ${end}`,
  );
}

export interface PageEntries {
  readonly broken: string[];
  /** Entries that have a page. */
  readonly present: number;
  readonly first: number;
  readonly last: number;
}

/** @param entries the array of 64-bit entries of one PAGE_DATA record, at least one */
export function checkPageEntries(entries: Buffer): PageEntries {
  const broken = new Set<string>();
  let present = 0;
  let last = -1;
  for (let at = 0; at < entries.length; at += 8) {
    const high = entries.readUInt32LE(at + 4);
    const type = high >>> 28;
    const pfn = pfnOf(entries, at);
    if ((high & 0x0ff0_0000) !== 0) broken.add('bits 59 to 52 of an entry are not zero');
    if (isReservedType(type)) broken.add(`page type ${type} is reserved`);
    if (pfn <= last) broken.add('page numbers do not ascend');
    if (hasContents(type)) present++;
    last = pfn;
  }
  return { broken: [...broken], present, first: pfnOf(entries, 0), last };
}

function pfnOf(entries: Buffer, at: number): number {
  return (entries.readUInt32LE(at + 4) & 0xf_ffff) * 2 ** 32 + entries.readUInt32LE(at);
}
