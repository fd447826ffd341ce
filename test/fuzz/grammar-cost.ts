// What the QEMU grammar costs at its worst: streams that repeat the shortest item of each kind, sent as QEMU's and as opaque, in
// processor time. Uncounted work shows here at once: without a limit for flushes, a stream of commands took 300 times opaque and more.

import { Buffer } from 'node:buffer';

import { MIB } from '../../src/units.js';
import { QemuStream, u32, u64, counted } from '../grammar/support/qemu-streams.js';
import { pack } from '../transfer/support/streams-support.js';

/** A hostile stream may take this many times the processor time of the same bytes sent as opaque. */
export const COST_LIMIT = 3;

const BYTES = 4 * MIB;
/** Rounds of which the cheapest counts: other work of the host only adds. */
const ROUNDS = 3;

export interface GrammarCost {
  readonly name: string;
  /** Processor time of sender and threads, in that of the same bytes sent as opaque. */
  readonly ratio: number;
  /** That processor time in seconds. */
  readonly seconds: number;
}

const begun = (): QemuStream => new QemuStream().magic().configuration();

/** `begin`, and `tile` again and again up to BYTES. */
function tiled(begin: QemuStream, ...tile: Buffer[]): Buffer {
  const head = begin.build().bytes;
  return Buffer.concat([head, Buffer.alloc(BYTES - head.length, Buffer.concat(tile))]);
}

const ramPart = (): QemuStream => begun().ramSetup().sectionPart(2);
const ram = Buffer.concat([Buffer.of(1), u32(2), counted('ram'), u32(0), u32(4)]);
const full = Buffer.concat([Buffer.of(4), u32(7), counted('x'), u32(0), u32(2)]);
const footer = (id: number): Buffer => Buffer.concat([Buffer.of(0x7e), u32(id)]);

/** Each kind of item that could cost more than its bytes. */
function worst(): Record<string, Buffer> {
  const beside = (name: string): QemuStream => begun().ramSetup().sectionStart(9, name, 1, 1);
  return {
    commands: tiled(begun(), Buffer.of(8, 0, 1, 0, 0)),
    'unknown sections before RAM': tiled(begun(), full, footer(7)),
    'unknown sections, first byte of a footer': tiled(begun().sectionStart(7, 'x', 4, 2), Buffer.of(0x7e)),
    'unknown sections, footers before nothing': tiled(begun().sectionStart(7, 'x', 4, 2), footer(7)),
    'unknown sections, starts of no RAM': tiled(begun().sectionStart(7, 'x', 4, 2), ram, u64(0x3fn)),
    'unknown flags in RAM': tiled(ramPart(), u64(0x0c), footer(2), Buffer.of(2), u32(2)),
    'any footer behind an unknown type': tiled(begun().ramSetup().skeleton(Buffer.of(9)), footer(3)),
    'empty parts of RAM': tiled(begun().ramSetup(), Buffer.of(2), u32(2), u64(0x10), footer(2)),
    'zero pages': tiled(ramPart().zeroPage(0, 0), u64(0x1022), Buffer.of(0)),
    'zero pages with the name': tiled(ramPart(), u64(0x1002), counted('pc.ram'), Buffer.of(0)),
    'lists of blocks': tiled(ramPart(), u64(0x2004), counted('a'), u64(0x1000), counted('b'), u64(0x1000)),
    'RDMA hooks': tiled(ramPart(), u64(0x80)),
    'empty XBZRLE': tiled(ramPart().zeroPage(0, 0), u64(0x1060), Buffer.of(1, 0, 0)),
    'complete bitmaps': tiled(beside('dirty-bitmap'), Buffer.of(0x20)),
    'empty bits': tiled(beside('dirty-bitmap'), Buffer.of(0x42), Buffer.alloc(12)),
    'setup of VFIO': tiled(beside('0/vfio'), u64(0xffff_ffff_ef10_0003n)),
    'progress of block migration': tiled(beside('block'), u64(4)),
    'pieces of a hash table': tiled(beside('spapr/htab').skeleton(u32(0)), Buffer.of(0, 0, 0, 1, 0, 0, 0, 0)),
  };
}

async function cpuSeconds(bytes: Buffer, kind: 'qemu' | 'opaque'): Promise<number> {
  const before = process.cpuUsage();
  await pack(bytes, { kind, threads: 1, storeBytes: kind === 'qemu' ? 16 * MIB : 0 });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

export async function grammarCosts(): Promise<GrammarCost[]> {
  const costs: GrammarCost[] = [];
  for (const [name, bytes] of Object.entries(worst())) {
    let [qemu, opaque] = [Infinity, Infinity];
    for (let round = 0; round < ROUNDS; round++) {
      opaque = Math.min(opaque, await cpuSeconds(bytes, 'opaque'));
      qemu = Math.min(qemu, await cpuSeconds(bytes, 'qemu'));
      // A walk without a bound is known after the first round.
      if (qemu > 20 * opaque) break;
    }
    costs.push({ name, ratio: qemu / opaque, seconds: qemu });
  }
  return costs.sort((a, b) => b.ratio - a.ratio);
}
