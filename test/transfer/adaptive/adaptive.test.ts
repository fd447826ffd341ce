// Which transfers adapt, that their data arrives unchanged, and that a transfer that does not adapt is deterministic.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { send } from '../../../src/transfer/send.js';
import {
  carry,
  image,
  type LinkKind,
  LINKS,
  type ReceiveExtras,
  type SendExtras,
  workplace,
} from '../support/carry.js';

const place = workplace();
const bytes = image(24 * 1024 * 1024, 'busy');
const input = place.file('guest.ram', bytes);

describe('adaptive mode', () => {
  for (const link of LINKS) {
    const title =
      link === 'file' ? 'does not adapt by default, to a file' : `adapts by default, over ${link}`;
    it(title, async () => {
      const { sent, bytes: restored } = await carry(place, link, input);
      assert.ok(restored.equals(bytes));
      assert.equal(sent.adaptive !== undefined, link !== 'file');
    });
  }

  it('obeys adaptive: true for a file, and adaptive: false for a socket', async () => {
    const asked = await carry(place, 'file', input, { adaptive: true });
    assert.ok(asked.bytes.equals(bytes));
    assert.ok(asked.sent.adaptive !== undefined);
    const off = await carry(place, 'unix', input, { adaptive: false });
    assert.equal(off.sent.adaptive, undefined);
    assert.deepEqual(Object.keys(off.sent.chunks.codecs), ['zstd']);
  });

  it('keeps a given codec', async () => {
    const { sent, bytes: restored } = await carry(place, 'unix', input, { adaptive: true, codec: 'zstd' });
    assert.ok(restored.equals(bytes));
    assert.match(sent.adaptive!.coding, /^zstd /);
    assert.equal(sent.chunks.codecs.none, undefined);
  });

  it('changes only the level, with method stream', async () => {
    const { sent, bytes: restored } = await carry(place, 'unix', input, { method: 'stream' });
    assert.ok(restored.equals(bytes));
    assert.match(sent.adaptive!.coding, /^zstd /);
  });

  it('does not adapt, where the codec has one level', async () => {
    const { sent } = await carry(place, 'unix', input, { adaptive: true, codec: 'lz4' });
    assert.equal(sent.adaptive, undefined);
  });

  it('cuts a file into chunks of 2 MiB, where the receiver and the memory limits allow it', async () => {
    const chunks = async (link: LinkKind, extras?: SendExtras, receiver?: ReceiveExtras): Promise<number> => {
      const { sent, bytes: restored } = await carry(place, link, input, extras, receiver);
      assert.ok(restored.equals(bytes));
      assert.ok(sent.adaptive !== undefined);
      return sent.chunks.total;
    };
    assert.equal(await chunks('unix'), 12);
    assert.equal(await chunks('exec'), 24, 'the receiver cannot answer');
    assert.equal(await chunks('unix', { chunkSize: '1MiB' }), 24);
    // What fits there besides the codecs is less than a chunk of 2 MiB.
    assert.ok((await chunks('unix', {}, { memoryLimit: '116MiB', decompressThreads: 1 })) >= 24);
    assert.equal(await chunks('unix', { memoryLimit: '128MiB' }), 24);
  });

  it('completes with little memory, compressWaitThread off and little processor time', async () => {
    const extras = { memoryLimit: '128MiB', compressWaitThread: false, maxCpu: 50, nice: 1, maxLevel: 3 };
    const { sent, bytes: restored } = await carry(place, 'unix', input, extras);
    assert.ok(restored.equals(bytes));
    assert.ok(sent.adaptive !== undefined);
  });

  it('does not adapt and repeats the output, with codec or level given', async () => {
    for (const extras of [
      { codec: 'zstd', compressLevel: 3 },
      { compressLevel: 2 },
      { codec: 'zstd' },
    ] satisfies SendExtras[]) {
      const made: Buffer[] = [];
      for (const compressThreads of [1, 2]) {
        const stream = place.path('stream');
        const summary = await send({ ...extras, compressThreads, input, output: `exec:cat > ${stream}` });
        assert.equal(summary.adaptive, undefined);
        made.push(readFileSync(stream));
      }
      assert.ok(made[0]!.equals(made[1]!));
    }
  });
});
