// Method xenguest: hand-written streams, the second decoder (decode_xen.py, written from docs/FORMAT.md alone) and the
// library must agree. The second decoder is skipped, with a message, where python3 is not installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { range, XenStream } from '../grammar/support/xen-streams.js';
import { failureOf, pack, unpack } from '../transfer/support/streams-support.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const GOLDEN = join(ROOT, 'test/golden/xenguest-v2');
const NAMES = readdirSync(GOLDEN).filter((name) => name.endsWith('.hex'));
const REFUSED = readFileSync(join(GOLDEN, 'refused.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' ') as [name: string, hex: string]);

const skip = spawnSync('python3', ['--version']).error === undefined ? false : 'python3 is not installed';

function golden(name: string): Buffer {
  const text = readFileSync(join(GOLDEN, name), 'utf8');
  return Buffer.from(text.replace(/#.*/g, '').replace(/\s/g, ''), 'hex');
}

function python(program: string, argument: string, input: Uint8Array = Buffer.alloc(0)) {
  // -B: no __pycache__ in the checkout.
  const parameters = ['-B', join(ROOT, 'test/interop', program), argument];
  return spawnSync('python3', parameters, { input, maxBuffer: 1 << 26 });
}

describe('golden streams of method xenguest', () => {
  it('exist', () => {
    assert.ok(NAMES.length >= 5 && REFUSED.length >= 9);
  });

  for (const name of NAMES) {
    it(`${name} decodes to what is expected`, async () => {
      const [digest, length] = readFileSync(join(GOLDEN, name.replace(/hex$/, 'expected')), 'utf8')
        .trim()
        .split(' ');
      const { bytes, verified, taken } = await unpack(golden(name), { piece: 1 });
      assert.ok(verified);
      assert.equal(taken, golden(name).length);
      assert.equal(bytes.length, Number(length));
      assert.equal(createHash('sha256').update(bytes).digest('hex'), digest);
    });
  }

  for (const [name, hex] of REFUSED) {
    it(`${name} is refused`, async () => {
      const { code } = await failureOf(unpack(Buffer.from(hex, 'hex')));
      assert.match(code, /^ERR_STREAM_(FORMAT|TOTALS|TRUNCATED)$/);
    });
  }
});

describe('the second decoder of method xenguest', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'ramferry-interop-'));
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it('reads the golden streams, and refuses those that break a rule', () => {
    for (const name of NAMES) {
      const { status, stdout, stderr } = python('decode_xen.py', '-', golden(name));
      assert.equal(status, 0, stderr.toString());
      const expected = readFileSync(join(GOLDEN, name.replace(/hex$/, 'expected')), 'utf8').trim();
      assert.equal(`${createHash('sha256').update(stdout).digest('hex')} ${stdout.length}`, expected);
    }
    for (const [name, hex] of REFUSED) {
      const { status, stderr } = python('decode_xen.py', '-', Buffer.from(hex, 'hex'));
      assert.equal(status, 1, name);
      assert.match(stderr.toString(), /^decode_xen\.py: .+\n$/);
    }
  });

  it('reads what the library writes', async () => {
    const samples = [
      new XenStream().pvGuest(),
      new XenStream({ bigEndian: true }).pvGuest(),
      new XenStream().image({ type: 2 }).pageData(range(0, 40)).pageData(range(0, 9)).end(),
    ];
    for (const [index, sample] of samples.entries()) {
      for (const xenguestVersion of [1, 2] as const) {
        const storeBytes = index === 2 ? 1 << 20 : 0;
        const packed = await pack(sample.bytes(), { codec: 'lz4', xenguestVersion, storeBytes });
        const { status, stdout, stderr } = python('decode_xen.py', '-', packed);
        assert.equal(status, 0, stderr.toString());
        assert.ok(stdout.equals(sample.bytes()));
      }
    }
  });

  it('matches the generator of the golden streams', () => {
    const { status, stderr } = python('make_golden_xen.py', directory);
    assert.equal(status, 0, stderr.toString());
    assert.deepEqual(readdirSync(directory).sort(), readdirSync(GOLDEN).sort());
    for (const name of readdirSync(directory)) {
      assert.equal(
        readFileSync(join(directory, name), 'utf8'),
        readFileSync(join(GOLDEN, name), 'utf8'),
        name,
      );
    }
  });
});
