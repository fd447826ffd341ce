// The second decoder (decode.py, written from docs/FORMAT.md alone) reads hand-written streams and the library's output:
// specification, library and golden files must agree. Skipped, with a message, where python3 or zstd is not installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { generateImage, send, type SendOptions } from '../../src/index.js';
import { precopy } from '../grammar/support/qemu-streams.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const INTEROP = join(ROOT, 'test/interop');
const DECODER = join(INTEROP, 'decode.py');
const GOLDEN = join(ROOT, 'test/golden/native-v1');

/** Decodes many streams in one interpreter: paths on standard input, a line of JSON for each on standard output. */
const DRIVER = `
import hashlib, io, json, sys
sys.path.insert(0, sys.argv[1])
import decode
kinds = set()
start = decode.Operations.start
def watched(self):
    kind, count = start(self)
    kinds.add(kind)
    return kind, count
decode.Operations.start = watched
for path in sys.stdin.read().split():
    sha, length = hashlib.sha256(), 0
    def write(data):
        global length
        sha.update(data)
        length += len(data)
    kinds.clear()
    with open(path, "rb") as file:
        try:
            decode.decode_stream(file, write)
            print(json.dumps({"decoded": "%s %d" % (sha.hexdigest(), length), "kinds": sorted(kinds)}))
        except decode.Refused as refused:
            print(json.dumps({"refused": str(refused)}))
`;

interface Outcome {
  readonly decoded?: string;
  readonly kinds?: number[];
  readonly refused?: string;
}

const skip = missing('python3') || missing('zstd');

describe('the second decoder', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'ramferry-interop-'));
  after(() => {
    rmSync(directory, { recursive: true });
  });

  function decode(streams: readonly Uint8Array[]): Outcome[] {
    const paths = streams.map((stream, i) => {
      const path = join(directory, `decode-${i}`);
      writeFileSync(path, stream);
      return path;
    });
    const { status, stdout, stderr } = python(['-c', DRIVER, INTEROP], paths.join('\n'));
    assert.equal(status, 0, stderr.toString());
    return stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Outcome);
  }

  describe('on hand-made streams', () => {
    it('reads each stream', () => {
      const names = readdirSync(GOLDEN).filter((name) => name.endsWith('.hex'));
      assert.ok(names.length > 20);
      const outcomes = decode(names.map(golden));
      names.forEach((name, i) => {
        const expected = readFileSync(join(GOLDEN, name.replace(/hex$/, 'expected')), 'utf8').trim();
        assert.equal(outcomes[i]!.decoded, expected, `${name}: ${outcomes[i]!.refused}`);
      });
    });

    it('refuses each stream that breaks a rule', () => {
      const cases = readFileSync(join(GOLDEN, 'refused.txt'), 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(' ') as [name: string, hex: string]);
      assert.ok(cases.length > 90);
      const outcomes = decode(cases.map(([, hex]) => Buffer.from(hex === '-' ? '' : hex, 'hex')));
      cases.forEach(([name], i) => {
        assert.ok(outcomes[i]!.refused, `${name} was accepted`);
      });
    });

    it('refuses a stream with any byte changed, or cut anywhere', () => {
      const stream = golden('window-2.hex');
      const damaged = Array.from(stream, (byte, i) => {
        const copy = Buffer.from(stream);
        copy[i] = byte ^ (1 << (i & 7));
        return copy;
      });
      const cut = Array.from(stream, (_, i) => stream.subarray(0, i));
      decode([...damaged, ...cut]).forEach(({ refused }, i) => {
        assert.ok(refused, i < stream.length ? `byte ${i} changed` : `cut after ${i - stream.length} bytes`);
      });
    });

    it('matches the generator, where no encoder decides bytes', () => {
      const made = join(directory, 'made');
      const { status, stderr } = python([join(INTEROP, 'make_golden.py'), made]);
      assert.equal(status, 0, stderr.toString());
      assert.deepEqual(readdirSync(made).sort(), readdirSync(GOLDEN).sort());
      for (const name of readdirSync(made)) {
        if (['zlib.hex', 'zstd.hex', 'mixed.hex'].includes(name)) continue;
        const [ours, theirs] = [GOLDEN, made].map((place) =>
          readFileSync(join(place, name), 'utf8').replace(/^zlib-.*$/gm, ''),
        );
        assert.equal(ours, theirs, name);
      }
    });

    it('matches the example of the specification', () => {
      const shown = readFileSync(join(GOLDEN, 'worked-example.hex'), 'utf8');
      assert.ok(readFileSync(join(ROOT, 'docs/FORMAT.md'), 'utf8').includes(shown));
    });
  });

  describe('as a command', () => {
    it('decodes a file, or standard input for -', () => {
      const path = join(directory, 'stream');
      const stream = golden('bytes.hex');
      writeFileSync(path, stream);
      for (const { status, stdout } of [python([DECODER, path]), python([DECODER, '-'], stream)]) {
        assert.equal(status, 0);
        assert.equal(stdout.toString(), 'hello, ramferry');
      }
    });

    it('ends with status 1 and a line on standard error for a bad stream or no file', () => {
      const cut = golden('bytes.hex').subarray(0, -1);
      for (const { status, stderr } of [python([DECODER, '-'], cut), python([DECODER, directory])]) {
        assert.equal(status, 1);
        assert.match(stderr.toString(), /^decode\.py: .+\n$/);
      }
    });
  });

  describe('on streams of the library', () => {
    const inputs = new Map<string, Buffer>();
    const seen = new Set<number>();
    before(() => {
      const bytes = 1 << 19;
      inputs.set('idle image', Buffer.concat([...generateImage({ bytes, seed: 5, profile: 'idle' })]));
      inputs.set('busy image', Buffer.concat([...generateImage({ bytes, seed: 6, profile: 'busy' })]));
      inputs.set('qemu', precopy(7, 3, 40).bytes);
      inputs.set('unknown bytes', Buffer.from('neither pages nor records; '.repeat(5000)));
      inputs.set('one byte', Buffer.of(1));
    });

    const settings: readonly Partial<SendOptions>[] = [
      { codec: 'zstd', compressThreads: 3, chunkSize: '64KiB' },
      { codec: 'zstd', compressThreads: 1, compressLevel: 5 },
      { codec: 'lz4', compressThreads: 2, chunkSize: '256KiB' },
      { codec: 'zlib', compressThreads: 2, chunkSize: '128KiB' },
      { compressLevel: 0, compressThreads: 2, chunkSize: '64KiB' },
    ];
    for (const options of settings) {
      it(`reads it: ${JSON.stringify(options)}`, async () => {
        const streams: Buffer[] = [];
        for (const input of inputs.values()) streams.push(await encode(input, options));
        const outcomes = decode(streams);
        [...inputs].forEach(([name, input], i) => {
          const expected = `${createHash('sha256').update(input).digest('hex')} ${input.length}`;
          assert.equal(outcomes[i]!.decoded, expected, `${name}: ${outcomes[i]!.refused}`);
          for (const kind of outcomes[i]!.kinds!) seen.add(kind);
        });
      });
    }

    it('covers every kind of operation of a native stream', () => {
      // Words in progression and little-endian words occur in Xen streams, whose container is not the native one. The
      // golden streams cover them.
      assert.deepEqual([...seen].sort(), [1, 10, 12, 2, 3, 4, 8]);
    });

    async function encode(input: Buffer, options: Partial<SendOptions>): Promise<Buffer> {
      const from = join(directory, 'input');
      const to = join(directory, 'output');
      writeFileSync(from, input);
      await send({ ...options, input: `file:${from}`, output: `file:${to}`, force: true });
      return readFileSync(to);
    }
  });
});

function golden(name: string): Buffer {
  const text = readFileSync(join(GOLDEN, name), 'utf8');
  return Buffer.from(text.replace(/#.*/g, '').replace(/\s/g, ''), 'hex');
}

function python(parameters: readonly string[], input: string | Uint8Array = '') {
  // -B: no __pycache__ in the checkout.
  return spawnSync('python3', ['-B', ...parameters], { input, maxBuffer: 1 << 26 });
}

function missing(program: string): string | false {
  return spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;
}
