// What follows the END of a bare libxc stream in a file is nobody's: it is not sent, and whoever sends the file is told.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { receive } from '../../src/migration/receive.js';
import { send } from '../../src/migration/send.js';
import { range, XenStream } from '../grammar/support/xen-streams.js';
import { workplace } from './carry.js';

const place = workplace();
const stream = new XenStream().image().pageData(range(0, 40)).end().bytes();

/** Sends a file with these bytes; returns what was warned of, and what arrived. */
async function carried(bytes: Buffer, method: 'xenguest' | 'stream'): Promise<[string[], Buffer]> {
  const warnings: string[] = [];
  const input = place.file('guest.libxc', bytes);
  const [packed, output] = [place.path('packed'), place.path('restored')];
  const onWarning = (text: string): void => void warnings.push(text);
  await send({ input, output: packed, method, compressThreads: 1, onWarning });
  await receive({ input: packed, output, decompressThreads: 1 });
  return [warnings, readFileSync(output)];
}

describe('bytes after the END of a libxc stream in a file', { timeout: 60_000 }, () => {
  for (const method of ['xenguest', 'stream'] as const) {
    it(`are not sent, and warned of with their number and the file: method ${method}`, async () => {
      for (const rest of [1, 4096, 300_000]) {
        const [warnings, arrived] = await carried(Buffer.concat([stream, Buffer.alloc(rest, 7)]), method);
        assert.ok(arrived.equals(stream));
        assert.equal(warnings.length, 1);
        assert.match(warnings[0]!, new RegExp(`^${rest} bytes after the END record in .*guest\\.libxc`));
      }
    });

    it(`are not warned of where there are none: method ${method}`, async () => {
      const [warnings, arrived] = await carried(stream, method);
      assert.ok(arrived.equals(stream));
      assert.deepEqual(warnings, []);
    });
  }
});
