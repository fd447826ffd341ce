// Views of a slot's job: every number has its own place, and begin() clears all of them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { CODEC_NAMES } from '../../src/codec/codec.js';
import { ChunkJob } from '../../src/slot/chunk-job.js';
import { DecodeJob } from '../../src/slot/decode-job.js';
import { EncodeJob } from '../../src/slot/encode-job.js';
import { Job, type JobMemory, STATE } from '../../src/slot/job.js';
import { allocateArena, slotViews } from '../../src/slot/layout.js';
import { ScanJob } from '../../src/slot/scan-job.js';

type Fields = Record<string, unknown>;

const KINDS = { encode: EncodeJob, decode: DecodeJob, scan: ScanJob };
/** What a cleared job says where that is not zero or false. */
const CLEARED: Fields = { codec: 'none', trialCodec: undefined, readAt: -1, writeAt: -1 };

const geometry = { slots: 1, segments: 0, headroom: 0, input: 1, output: 4096 };

function accessors(prototype: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .filter(([, property]) => property.get !== undefined && property.set !== undefined)
    .map(([name]) => name);
}

const COMMON = accessors(Job.prototype);

/** A value that no cleared job has, of the kind that the field holds. */
function other(name: string, value: unknown): unknown {
  if (/codec$/i.test(name)) return CODEC_NAMES.at(-1);
  if (typeof value === 'boolean') return true;
  if (typeof value === 'bigint') return 77n;
  if (typeof value === 'object')
    return Object.fromEntries(Object.keys(value!).map((key, at) => [key, at + 5]));
  return 77;
}

function memoryOf({ ints, doubles, hashes }: JobMemory): (number | bigint)[] {
  return [...ints, ...doubles, ...hashes];
}

describe('EncodeJob, DecodeJob and ScanJob', () => {
  it('keep each number at its own place in shared memory', () => {
    const [slot] = slotViews(allocateArena(geometry), geometry);
    const owners = new Map<number, string>();
    let fields = 0;
    const views = { common: slot!.job, chunk: slot!.encode, ...slot! };
    for (const [kind, { prototype }] of Object.entries({ common: Job, chunk: ChunkJob, ...KINDS })) {
      const view = views[kind as keyof typeof KINDS] as unknown as Fields;
      for (const name of accessors(prototype)) {
        slot!.job.begin();
        const before = memoryOf(slot!.memory);
        const value = other(name, view[name]);
        view[name] = value;
        assert.deepEqual(view[name], value, `${kind}.${name} holds what it is given`);
        const places = memoryOf(slot!.memory).flatMap((each, at) => (each === before[at] ? [] : [at]));
        assert.ok(places.length > 0, `${kind}.${name} is in shared memory`);
        for (const place of places) {
          assert.equal(
            owners.get(place),
            undefined,
            `${kind}.${name} shares a place with ${owners.get(place)}`,
          );
          owners.set(place, `${kind}.${name}`);
        }
        fields++;
      }
    }
    assert.ok(fields > 40);
  });

  it('begin() clears every request and every result of the job before', () => {
    for (const [kind, { prototype }] of Object.entries(KINDS)) {
      const [slot] = slotViews(allocateArena(geometry), geometry);
      const job = slot![kind as keyof typeof KINDS];
      const view = job as unknown as Fields;
      const ofChunk = prototype instanceof ChunkJob ? accessors(ChunkJob.prototype) : [];
      const names = [...COMMON, ...ofChunk, ...accessors(prototype)];
      // A new slot is as good as a cleared one.
      job.begin();
      const cleared = Object.fromEntries(names.map((name) => [name, view[name]]));
      for (const { fill } of [{ fill: 1 }, { fill: 3 }]) {
        slot!.memory.ints.fill(fill);
        slot!.memory.doubles.fill(fill);
        slot!.memory.hashes.fill(BigInt(fill));
        job.begin();
        for (const name of names) assert.deepEqual(view[name], cleared[name], `${kind}.${name}`);
      }
      for (const name of names) {
        if (name === 'tally') assert.ok(Object.values(view[name] as object).every((each) => each === 0));
        else if (!(kind === 'scan' && name === 'readAt') && name in CLEARED)
          assert.equal(view[name], CLEARED[name], `${kind}.${name}`);
        else assert.ok(view[name] === 0 || view[name] === false || view[name] === 0n, `${kind}.${name}`);
      }
      assert.equal(job.state, STATE.free);
    }
  });

  it('hold positions beyond 4 GiB', () => {
    const [slot] = slotViews(allocateArena(geometry), geometry);
    const { encode, decode, scan } = slot!;
    for (const position of [2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      encode.sequence = encode.offset = encode.readAt = encode.needs = position;
      decode.writeAt = decode.streamOffset = position;
      scan.readAt = scan.firstPage = scan.firstBlock = position;
      for (const each of [encode.sequence, encode.offset, encode.readAt, encode.needs])
        assert.equal(each, position);
      for (const each of [decode.writeAt, decode.streamOffset]) assert.equal(each, position);
      for (const each of [scan.readAt, scan.firstPage, scan.firstBlock]) assert.equal(each, position);
    }
  });
});
