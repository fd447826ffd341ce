// A partial output: the journal as specified, what is kept after any damage to either file, and whose files are touched.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { checksum } from '../../../src/chunk/checksum.js';
import { journalHeader, packEntry } from '../../../src/io/file/journal.js';
import { PartialOutput } from '../../../src/io/file/partial-output.js';
import { isTyped } from '../../chunk/typed.js';
import { workplace } from '../../transfer/support/carry.js';

const place = workplace();
const GOLDEN = join(import.meta.dirname, '../../../../test/golden/resume');

function open(path: string, more: { force?: boolean } = {}): Promise<PartialOutput> {
  return PartialOutput.open(path, { label: 'output', sync: false, ...more });
}

/** Writes chunks of these lengths, and breaks off. @returns the bytes */
async function begun(path: string, lengths: readonly number[]): Promise<Buffer> {
  const output = await open(path);
  const bytes = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    const chunk = bytes.subarray(at, at + length);
    if (index % 3 > 0) chunk.fill(index + 1);
    await output.write(chunk);
    output.partial.completed(at, length, checksum(chunk));
    at += length;
  }
  await output.abort();
  return bytes;
}

/** What the next transfer finds. */
async function kept(path: string): Promise<Buffer> {
  const output = await open(path);
  const { bytes, digest } = output.partial.kept;
  const found = fs.readFileSync(`${path}.partial`);
  assert.equal(found.length, bytes);
  assert.equal(digest, checksum(found));
  await output.abort();
  return found;
}

describe('the journal of a partial output', () => {
  it('is what FORMAT.md says', () => {
    const text = fs.readFileSync(join(GOLDEN, 'journal.hex'), 'utf8');
    const golden = Buffer.from(text.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex');
    const entry = { position: 0, length: 4096, checksum: checksum(Buffer.alloc(4096, 'A')) };
    assert.deepEqual(Buffer.concat([journalHeader(), packEntry(entry)]), golden);
  });
});

describe('PartialOutput', () => {
  it('keeps all chunks after an abort, and gives the file its name at the end', async () => {
    const path = place.path('whole');
    const bytes = await begun(path, [4096, 100, 8192]);
    assert.ok((await kept(path)).equals(bytes));
    const output = await open(path);
    await output.write(Buffer.from('rest'));
    await output.finish(bytes.length + 4);
    assert.equal(fs.readFileSync(path, 'latin1').slice(-4), 'rest');
    assert.ok(!fs.existsSync(`${path}.partial`) && !fs.existsSync(`${path}.partial.journal`));
  });

  it('keeps a beginning of the stream, whatever happened to the two files', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom('.partial', '.partial.journal'),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom('flip', 'cut', 'zero', 'append'),
        async (lengths, which, share, damage) => {
          const path = place.path('damaged');
          const bytes = await begun(path, lengths);
          const file = fs.readFileSync(path + which);
          // The header of the journal is on the disk before anything else.
          const first = which === '.partial' ? 0 : 24;
          const at = first + Math.floor(share * (file.length - first - 1));
          if (damage === 'flip') file[at]! ^= 1;
          if (damage === 'zero') file.fill(0, at);
          const end = damage === 'cut' ? at : file.length;
          const more = damage === 'append' ? Buffer.alloc(77, 1) : Buffer.alloc(0);
          fs.writeFileSync(path + which, Buffer.concat([file.subarray(0, end), more]));
          const found = await kept(path);
          assert.ok(found.equals(bytes.subarray(0, found.length)));
          if (damage === 'append') assert.equal(found.length, bytes.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves nothing when nothing has come', async () => {
    const path = place.path('nothing');
    await (await open(path)).abort();
    assert.deepEqual(
      place.names().filter((name) => name.includes('nothing')),
      [],
    );
  });

  it('is refused while another transfer writes it', async () => {
    const path = place.path('taken');
    const output = await open(path);
    await assert.rejects(open(path), isTyped('ERR_OUTPUT_OPEN'));
    await output.abort();
  });

  it('takes no file that is not its own', async () => {
    const path = place.path('foreign');
    fs.writeFileSync(`${path}.partial`, 'mine');
    await assert.rejects(open(path), isTyped('ERR_OUTPUT_OPEN'));
    assert.equal(fs.readFileSync(`${path}.partial`, 'latin1'), 'mine');
    const linked = place.path('linked');
    fs.symlinkSync(place.file('target', Buffer.from('x')), `${linked}.partial`);
    await assert.rejects(open(linked), isTyped('ERR_OUTPUT_OPEN'));
    await assert.rejects(open(place.file('there', Buffer.from('x'))), isTyped('ERR_OUTPUT_EXISTS'));
  });
});
