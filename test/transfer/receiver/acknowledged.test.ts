// Which decoded bytes a receiver acknowledges.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { ControlReader } from '../../../src/control/channel.js';
import { receive } from '../../../src/index.js';
import { parseAddress } from '../../../src/link/address.js';
import { openOutput } from '../../../src/link/open.js';
import { libc } from '../../../src/os/libc.js';
import { Acknowledged } from '../../../src/transfer/receiver/acknowledged.js';
import { image, listening, workplace } from '../support/carry.js';
import { encodeStream } from '../support/memory-link.js';

const calls = libc();
const place = workplace();

describe('Acknowledged', () => {
  it('counts completed writes, output that does not know what was read', () => {
    const acknowledged = new Acknowledged();
    assert.equal(acknowledged.count(undefined, 0, 0), 0);
    assert.equal(acknowledged.count({}, 100, 150), 100);
  });

  it('counts what the reader has taken, pipe with a pending write', () => {
    const acknowledged = new Acknowledged();
    assert.equal(acknowledged.count({ unread: () => 120 }, 100, 150), 30);
    assert.equal(acknowledged.count({ unread: () => 10 }, 100, 150), 140);
    assert.equal(acknowledged.count({ unread: () => 0 }, 150, 150), 150);
  });

  it('never falls, pipe that was closed or that others write to', () => {
    const acknowledged = new Acknowledged();
    assert.equal(acknowledged.count({ unread: () => 10 }, 100, 150), 140);
    assert.equal(acknowledged.count({ unread: () => undefined }, 100, 150), 140);
    assert.equal(acknowledged.count({ unread: () => 300 }, 100, 150), 140);
  });
});

describe(
  'receive into a pipe',
  { skip: calls === undefined && 'koffi has no binary here', timeout: 60_000 },
  () => {
    it('acknowledges what the reader has taken, and not what the pipe holds', async () => {
      const [reading, writing] = calls!.pipe()!;
      const bytes = image(40_960);
      const socket = place.path('acknowledged.sock');
      const receiving = listening((onListening) =>
        receive({ input: `unix-listen:${socket}`, output: `fd:${writing}`, onListening }),
      );
      await receiving.ready;
      const link = await openOutput(parseAddress(`unix:${socket}`));
      const control = new ControlReader(link.source!, () => Promise.resolve());
      const first = new Promise<number>((resolve) =>
        control.onDelivered((delivered) => {
          if (delivered > 0) resolve(delivered);
        }),
      );
      await control.hello();
      await link.sink!.write(await encodeStream(bytes));
      await link.sink!.finish();
      while (calls!.unread(reading) < bytes.length) await new Promise(setImmediate);
      const got = Buffer.alloc(bytes.length);
      assert.equal(fs.readSync(reading, got, 0, 10_000, null), 10_000);
      assert.equal(await first, 10_000);
      assert.equal(fs.readSync(reading, got, 10_000, bytes.length - 10_000, null), bytes.length - 10_000);
      assert.ok(got.equals(bytes));
      control.acceptSuccessWhen(() => true);
      assert.equal((await control.success()).bytes, bytes.length);
      await receiving.result;
      fs.closeSync(reading);
      fs.closeSync(writing);
    });
  },
);
