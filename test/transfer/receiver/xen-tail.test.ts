// `XenTail`: passes the last bytes of a Xen stream on, and holds back bytes that may be the totals of a stream that broke off.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { TOTALS_RECORD_BYTES } from '../../../src/container/xenguest.js';
import { XenTail } from '../../../src/container/xenguest/tail.js';
import { range, XenStream } from '../../grammar/support/xen-streams.js';
import { pack } from '../support/streams-support.js';

const text = Buffer.from('bytes that are nothing in particular, and a few more of them to make it long');

/** The totals that a sender writes when its input breaks off. */
async function cutRecord(): Promise<Buffer> {
  const broken = new XenStream().image().pageData(range(0, 2)).bytes();
  return (await pack(broken)).subarray(-TOTALS_RECORD_BYTES);
}

describe('XenTail', () => {
  it('passes all bytes in order, any split', async () => {
    const bytes = Buffer.concat([text, await cutRecord(), text, (await cutRecord()).subarray(0, 11), text]);
    for (const piece of [1, 7, 40, 1000]) {
      const tail = new XenTail(false);
      const passed: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += piece) {
        passed.push(Buffer.from(tail.take(bytes.subarray(at, at + piece))));
      }
      passed.push(tail.release());
      assert.ok(Buffer.concat(passed).equals(bytes), `pieces of ${piece}`);
      assert.equal(tail.holds, false);
    }
  });

  it('returns the totals at the end of the input, and passes none of their bytes', async () => {
    const record = await cutRecord();
    for (const piece of [1, 7, 1000]) {
      const tail = new XenTail(false);
      const bytes = Buffer.concat([text, record]);
      let passed = 0;
      for (let at = 0; at < bytes.length; at += piece) {
        passed += tail.take(bytes.subarray(at, at + piece)).length;
      }
      assert.equal(passed, text.length);
      assert.ok(tail.holds);
      const body = tail.takeCut()!;
      assert.ok(record.subarray(-body.length).equals(body));
      assert.equal(tail.holds, false);
      assert.equal(tail.takeCut(), undefined);
    }
  });

  it('returns no totals where bytes follow, and recognises damaged totals', async () => {
    const record = Buffer.from(await cutRecord());
    const followed = new XenTail(false);
    followed.take(Buffer.concat([record, text]));
    assert.equal(followed.takeCut(), undefined);
    assert.equal(followed.damaged, false);
    record[record.length - 1]! ^= 1;
    const damaged = new XenTail(false);
    damaged.take(Buffer.concat([text, record]));
    assert.equal(damaged.damaged, true);
  });

  it('holds nothing back, endless input', async () => {
    const tail = new XenTail(true);
    const record = await cutRecord();
    assert.equal(tail.take(record).length, record.length);
    assert.equal(tail.holds, false);
  });
});
