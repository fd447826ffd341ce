// What a sender says of a stream that it could not follow everywhere: the summary's figures, and the warning.

import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { describe, it } from 'node:test';

import { send } from '../../../src/transfer/send.js';
import type { TransferSummary } from '../../../src/transfer/statistics/summary.js';
import { dirtyBitmaps, postcopy, precopy, unknownLive } from '../../grammar/support/qemu-streams.js';

interface Said {
  readonly summary: TransferSummary;
  readonly warnings: readonly string[];
}

async function say(bytes: Uint8Array): Promise<Said> {
  const warnings: string[] = [];
  const output = new Writable({ write: (_bytes, _encoding, done) => done() });
  const onWarning = (message: string): void => void warnings.push(message);
  const summary = await send({ input: Readable.from([bytes]), output, compressThreads: 1, onWarning });
  return { summary, warnings };
}

describe('what is not recognised', () => {
  it('appears nowhere for a stream that was followed to its end', async () => {
    const { summary, warnings } = await say(dirtyBitmaps(1).bytes);
    assert.ok(summary.pages.identified! > 0);
    assert.equal(summary.pages.anonymous, 0);
    assert.deepEqual(warnings, []);
    assert.ok(!('opaqueBecause' in summary));
  });

  it('has its reason and share in the summary and in one warning', async () => {
    const { summary, warnings } = await say(unknownLive(2).bytes);
    const { identified, anonymous } = summary.pages;
    assert.ok(identified! > 0 && anonymous! > 0);
    assert.match(summary.opaqueBecause!, /'of-a-later-qemu'/);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0]!,
      new RegExp(`'of-a-later-qemu'.*: ${identified} of ${identified! + anonymous!} pages`),
    );
  });

  it('causes no warning where postcopy has begun', async () => {
    const { summary, warnings } = await say(postcopy(3).bytes);
    assert.match(summary.opaqueBecause!, /postcopy/);
    assert.ok(!warnings.some((warning) => warning.includes('followed')));
  });

  it('has a hint where a setting of the hypervisor would help', async () => {
    const xbzrle = await say(precopy(1).bytes);
    assert.match(xbzrle.summary.opaqueHint!, /capability (xbzrle|compress) off/);
    assert.deepEqual(xbzrle.warnings, []);
    const hello = Buffer.concat([Buffer.of(22, 3, 1, 0, 200, 1), Buffer.alloc(5000, 1)]);
    const tls = await say(hello);
    assert.match(tls.summary.opaqueBecause!, /TLS/);
    assert.match(tls.warnings.join(), /TLS connection.*--tls-creds/);
  });
});
