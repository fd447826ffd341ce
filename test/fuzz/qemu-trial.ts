// Fuzzing of the QEMU grammar and its way back: mutants of streams of every kind are walked in two splits. Each walk covers every byte
// exactly once, so the bytes arrive identical whatever was recognised, keeps at most MAX_LOOKAHEAD bytes back, and both report the
// same. Some mutants also travel through sender and receiver.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

import type { Xorshift32 } from '../../lab/random.js';
import { QemuGrammar } from '../../src/grammar/qemu/qemu.js';
import * as streams from '../grammar/support/qemu-streams.js';
import { drive, Recorder, type Segment } from '../grammar/support/xen-recorder.js';
import { pack, unpack } from '../transfer/support/streams-support.js';
import { mutateBlindly } from './blind.js';
import type { Trial } from './more-targets.js';

const { u32, u64, counted } = streams;

/** One mutant of so many goes through sender and receiver. */
const CARRIED_EVERY = 2000;

function originals(): Buffer[] {
  const blocks = [{ name: 'pc.ram', pages: 8 }];
  return [
    streams.precopy(1, 2, 5),
    streams.oldMachine(2),
    streams.withCapabilities(3),
    streams.advised([0, 2]),
    streams.virtioMem(4),
    streams.unknownEarly(5),
    streams.unknownConfiguration(6),
    streams.vfio(7),
    streams.dirtyBitmaps(8),
    streams.hashTable(24),
    streams.storageAttributes(9),
    streams.unknownLive(10),
    streams.unknownInRam(11),
    streams.backgroundSnapshot(12),
    streams.largePages(14),
    streams.postcopy(13),
    streams.mappedRam(blocks),
  ].map(({ bytes }) => bytes);
}

/** What leads a walk astray: footers, heads of sections, words of ram, lengths. */
function fragments(): Buffer[] {
  const footers = [1, 2, 3, 9].map((id) => Buffer.concat([Buffer.of(0x7e), u32(id)]));
  const heads = [
    Buffer.concat([Buffer.of(2), u32(2)]),
    Buffer.concat([Buffer.of(3), u32(2)]),
    Buffer.concat([Buffer.of(2), u32(9)]),
    Buffer.concat([Buffer.of(1), u32(2), counted('ram'), u32(0), u32(4), u64(0x40004)]),
    Buffer.concat([Buffer.of(1), u32(9), counted('0000:00:02.0/vfio'), u32(0), u32(1)]),
    Buffer.concat([Buffer.of(4), u32(7), counted('timer'), u32(0), u32(2)]),
    Buffer.of(8, 0, 1, 0, 0),
    Buffer.of(8, 0, 7, 0, 4, 0, 0, 16, 0),
    Buffer.concat([Buffer.of(0, 6), u32(2), Buffer.from('{}')]),
  ];
  const words = [0x10n, 0x1008n, 0x2028n, 0x40004n, 0x3022n, 0x200n, 0xffff_ffff_ef10_0004n].map(u64);
  const joined = footers.flatMap((footer) => heads.map((head) => Buffer.concat([footer, head])));
  return [...footers, ...heads, ...words, ...joined, Buffer.alloc(300, 0x7e), u64(2n ** 40n)];
}

export function qemuTrial(): Trial {
  const whole = originals();
  const others = [...fragments(), ...whole.map((bytes) => bytes.subarray(0, 3000))];
  let trials = 0;
  return async (random) => {
    // The last one is 1 MiB long: few of its mutants, so that there are many of the others.
    const original = random.pick(random.below(16) === 0 ? whole : whole.slice(0, -1));
    const mutant = mutateBlindly(original, others, random);
    const state = walkTwice(mutant, random);
    if (trials++ % CARRIED_EVERY === 0) {
      const { bytes } = await unpack(await pack(mutant, { kind: 'qemu' }));
      assert.ok(bytes.equals(mutant), 'the bytes arrive');
    }
    return state === 'incomplete' ? 'refused' : 'decoded';
  };
}

function walkTwice(mutant: Buffer, random: Xorshift32): string {
  const [one, two] = [new QemuGrammar(), new QemuGrammar()];
  const all = walk(one, mutant, () => Infinity);
  const most = random.pick([9, 300, 5000, 70_000]);
  const parts = walk(two, mutant, () => 1 + random.below(most), 1 + random.below(6));
  assert.deepEqual(parts, all, 'the split decides nothing');
  assert.deepEqual(two.end(), one.end());
  assert.equal(two.opaqueBecause, one.opaqueBecause);
  return one.end().state;
}

/** The reports without flushes, whose number depends on the split where pages come one at a time. */
function walk(grammar: QemuGrammar, bytes: Buffer, size: () => number, room = Infinity): Segment[] {
  const recorder = new WithoutFlushes(room);
  assert.equal(drive(grammar, bytes, size, recorder), bytes.length);
  return recorder.segments;
}

class WithoutFlushes extends Recorder {
  override flush(): void {
    // Not compared.
  }
}
