// The grammar against a stream of QEMU 7.2, and against a second parser that shares no code with it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { decompress } from '@mongodb-js/zstd';
import { recordingPath } from '../../../lab/places.js';
import type { SegmentSink } from '../../../src/grammar/grammar.js';
import { QemuGrammar } from '../../../src/grammar/qemu/qemu.js';
import { QemuTail } from '../../../src/grammar/qemu/tail.js';
import { PAGE_BYTES } from '../../../src/page/size.js';

const file = recordingPath('idle-128m.mig.zst');
const skip = existsSync(file) ? false : 'real data is not at hand (shared/data/idle-128m.mig.zst)';

class Counter implements SegmentSink {
  readonly full = false;
  at = 0;
  records = { words: 0, pages: 0, skeleton: 0 };
  lastPageEnd = 0;
  readonly identities = new Set<number>();
  readonly contents = createHash('sha256');

  constructor(private readonly bytes: Buffer) {}

  skeleton(n: number): void {
    this.records.skeleton += n;
    this.at += n;
  }
  words(n: number): void {
    this.records.words += n;
    this.at += 8 * n;
  }
  pages(n: number, identity: number): void {
    assert.equal(n, 1);
    assert.ok(!this.identities.has(identity), 'one round: no page comes twice');
    this.identities.add(identity);
    this.contents.update(this.bytes.subarray(this.at, this.at + PAGE_BYTES));
    this.records.pages += n;
    this.at += PAGE_BYTES;
    this.lastPageEnd = this.at;
  }
  pageData(): void {
    assert.fail('not for method xenguest');
  }
  flush(): void {
    assert.fail('no command, and the end lies behind the device state');
  }
  totals(): void {
    assert.fail('not for method xenguest');
  }
}

/** The pages' offsets, by the shortest parser that this one stream allows. */
function secondReading(bytes: Buffer): { pages: number; zero: number; ramEnd: number; digest: string } {
  const contents = createHash('sha256');
  let [pages, zero] = [0, 0];
  let at = bytes.indexOf(Buffer.from('7e00000002', 'hex')) + 5;
  for (;;) {
    const last = bytes[at] === 3;
    at += 5;
    for (;;) {
      const flags = bytes.readUInt16BE(at + 6) & 0xfff;
      at += 8;
      if (flags === 0x10) break;
      if ((flags & 0x20) === 0) at += 1 + bytes[at]!;
      if ((flags & 2) !== 0) {
        zero += 1;
        at += 1;
      } else {
        assert.equal(flags & ~0x20, 8);
        pages += 1;
        contents.update(bytes.subarray(at, at + PAGE_BYTES));
        at += PAGE_BYTES;
      }
    }
    at += 5;
    if (last) return { pages, zero, ramEnd: at, digest: contents.digest('hex') };
  }
}

describe('qemu grammar: a stream of QEMU 7.2', () => {
  it('finds each page, and none in the device state', { skip }, async () => {
    const bytes = await decompress(readFileSync(file));
    const grammar = new QemuGrammar();
    const counter = new Counter(bytes);
    let at = 0;
    for (let fed = 0; fed < bytes.length;) {
      fed = Math.min(bytes.length, fed + 1_000_003);
      at += grammar.scan(bytes.subarray(at, fed), fed === bytes.length, counter);
    }
    assert.equal(at, bytes.length);
    assert.equal(counter.at, bytes.length);
    assert.equal(grammar.opaqueBecause, undefined);

    const { pages, zero, ramEnd, digest } = secondReading(bytes);
    assert.deepEqual({ pages, zero }, { pages: 23_177, zero: 9_721 });
    assert.equal(counter.records.pages, pages);
    assert.ok(counter.lastPageEnd < ramEnd && ramEnd < bytes.length);
    assert.equal(counter.contents.digest('hex'), digest);
    assert.deepEqual(grammar.end(), { state: 'seen' });

    // Cut at each byte of the device state and of its description.
    const tail = new QemuTail(true);
    const found = { incomplete: 0, unseen: 0, seen: 0 };
    for (let cut = ramEnd; cut < bytes.length; cut++) {
      found[tail.end().state] += 1;
      tail.take(bytes.subarray(cut, cut + 1));
    }
    // Unseen: directly behind EOF, and where a device's data looks like a footer and EOF.
    assert.deepEqual(found, { incomplete: bytes.length - ramEnd - 2, unseen: 2, seen: 0 });
    assert.equal(tail.end().state, 'seen');
  });
});
