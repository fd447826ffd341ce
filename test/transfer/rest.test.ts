// Bytes behind the END of a bare libxc stream: they arrive where ramferry opened the input itself; a shared descriptor is read exactly
// to END.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import type { SendOptions } from '../../src/options/transfer.js';
import { range, XenStream } from '../grammar/support/xen-streams.js';
import { workplace } from './support/carry.js';

const place = workplace();
const stream = new XenStream().image().pageData(range(0, 40)).end().bytes();
const METHODS = ['xenguest', 'stream'] as const;

interface Carried {
  readonly warnings: string[];
  readonly packed: Buffer;
  readonly arrived: Buffer;
}

async function carried(options: Partial<SendOptions>): Promise<Carried> {
  const warnings: string[] = [];
  const [packed, output] = [place.path('packed'), place.path('restored')];
  const onWarning = (text: string): void => void warnings.push(text);
  const ends = { input: '-', output: packed, compressThreads: 1, onWarning };
  await send({ ...ends, ...options });
  await receive({ input: packed, output, decompressThreads: 1 });
  return { warnings, packed: readFileSync(packed), arrived: readFileSync(output) };
}

describe('bytes behind the END of a bare libxc stream', { timeout: 120_000 }, () => {
  for (const method of METHODS) {
    it(`arrive compressed from a file, method ${method}`, async () => {
      for (const rest of [1, 4095, 300_000]) {
        const bytes = Buffer.concat([stream, Buffer.alloc(rest, 7)]);
        const input = place.file('guest.libxc', bytes);
        const { arrived, packed, warnings } = await carried({ input, method });
        assert.ok(arrived.equals(bytes), `${arrived.length} of ${bytes.length} bytes`);
        assert.ok(packed.length < stream.length + 4000);
        assert.equal(warnings.length, rest > 4096 ? 1 : 0);
        if (rest > 4096) assert.match(warnings[0]!, /behind the end of the stream/);
      }
    });

    it(`arrive from a command and from a named pipe, method ${method}`, async () => {
      const bytes = Buffer.concat([stream, Buffer.alloc(9000, 7)]);
      const file = place.file('guest.libxc', bytes);
      assert.ok((await carried({ input: `exec:cat ${file}`, method })).arrived.equals(bytes));
      const fifo = place.path('fifo');
      execFileSync('mkfifo', [fifo]);
      const writer = spawn('sh', ['-c', `cat ${file} > ${fifo}`]);
      assert.ok((await carried({ input: fifo, method })).arrived.equals(bytes));
      if (writer.exitCode === null) await once(writer, 'exit');
    });

    it(`stay in a shared descriptor, method ${method}`, async () => {
      const bytes = Buffer.concat([stream, Buffer.from('others')]);
      const fd = openSync(place.file('shared.libxc', bytes), 'r');
      try {
        const { arrived } = await carried({ input: `fd:${fd}`, method });
        assert.ok(arrived.equals(stream));
        const left = Buffer.alloc(99);
        assert.equal(left.toString('latin1', 0, readSync(fd, left)), 'others');
        assert.equal(fstatSync(fd).size, bytes.length);
      } finally {
        closeSync(fd);
      }
    });

    it(`are absent when the file ends with END, method ${method}`, async () => {
      const input = place.file('guest.libxc', stream);
      const { arrived, warnings } = await carried({ input, method });
      assert.ok(arrived.equals(stream));
      assert.deepEqual(warnings, []);
    });
  }

  it('are rejected with version 1 of method xenguest', async () => {
    const input = place.file('guest.libxc', Buffer.concat([stream, Buffer.alloc(5)]));
    const sending = send({ input, output: place.path('packed'), xenguestVersion: 1, compressThreads: 1 });
    await assert.rejects(sending, { code: 'ERR_STREAM_TRAILING', message: /5 bytes follow the END/ });
  });

  it('may be a compressed stream of their own', async () => {
    const inner = place.path('inner');
    await send({ input: place.file('inner.libxc', stream), output: inner, compressThreads: 1 });
    const bytes = Buffer.concat([stream, readFileSync(inner)]);
    const input = place.path('both');
    writeFileSync(input, bytes);
    assert.ok((await carried({ input })).arrived.equals(bytes));
  });
});
