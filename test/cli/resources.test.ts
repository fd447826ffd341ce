// Missing resources: limits of the host, missing packages, closed descriptors, deleted directories. Each case ends with a typed
// error other than ERR_INTERNAL, and without a stack trace.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { toRamferryError } from '../../src/errors.js';
import { generateImage } from '../../src/image/image.js';
import { MAIN, run } from './command.js';

const ROOT = join(import.meta.dirname, '../../..');
const LIMIT = { timeout: 120_000 };
let directory: string;
let image: string;
let stream: string;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ramferry-resources-'));
  image = join(directory, 'guest.ram');
  stream = join(directory, 'guest.rf');
  writeFileSync(image, Buffer.concat([...generateImage({ bytes: 4 << 20, seed: 5, profile: 'busy' })]));
  assert.equal((await run(['send', image, stream, '--quiet'])).status, 0);
});
after(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

/** Runs a shell line in which `ramferry` is the command, `$IMAGE` and `$STREAM` are inputs, and `$DIR` is a directory. */
function shell(line: string, main = MAIN): Ended {
  const script = `ramferry() { "${process.execPath}" "${main}" "$@"; }\n${line}`;
  const env = { ...process.env, IMAGE: image, STREAM: stream, DIR: directory };
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', env, timeout: LIMIT.timeout });
}

function isTypedEnd({ status, stderr }: Ended, code: RegExp, expected: number): void {
  assert.equal(status, expected, stderr);
  assert.match(stderr, new RegExp(`^ramferry: ${code.source}: `, 'm'));
  assert.doesNotMatch(stderr, /ERR_INTERNAL|^ {4}at |npm|node_modules/m);
}

describe('command without a resource', LIMIT, () => {
  const cases: [title: string, line: string, code: RegExp, status: number][] = [
    ['a closed descriptor as output', 'ramferry receive $STREAM fd:99', /ERR_OUTPUT_OPEN/, 6],
    ['a closed descriptor as input', 'ramferry receive fd:99 $DIR/out', /ERR_INPUT_OPEN/, 3],
    ['a descriptor of another direction', 'ramferry receive $STREAM fd:9 9</dev/null', /ERR_OUTPUT_OPEN/, 6],
    [
      'a deleted working directory and a relative output',
      'mkdir $DIR/gone; cd $DIR/gone; rmdir $DIR/gone; ramferry receive $STREAM out',
      /ERR_OUTPUT_OPEN/,
      6,
    ],
    [
      'a deleted working directory and a relative input',
      'mkdir $DIR/gone; cd $DIR/gone; rmdir $DIR/gone; ramferry inspect in',
      /ERR_INPUT_OPEN/,
      3,
    ],
    [
      'no temporary directory',
      'TMPDIR=/nonexistent ramferry tune $IMAGE --bandwidth 1gbit --budget 3s',
      /ERR_RESOURCE_LIMIT/,
      2,
    ],
    [
      'a report in a directory that is missing',
      'ramferry bench $IMAGE --html /nonexistent/x',
      /ERR_OUTPUT_OPEN/,
      6,
    ],
    [
      'an unknown binding in the environment',
      'RAMFERRY_ZSTD_BINDING=x ramferry send $IMAGE $DIR/out --force',
      /ERR_OPTION_INVALID/,
      2,
    ],
    ['a directory as input', 'ramferry inspect /etc', /ERR_INPUT_OPEN/, 3],
    ['a port that is none', 'ramferry send $IMAGE tcp:host:99999', /ERR_(?:LINK_ADDRESS|USAGE)/, 2],
    [
      'a monitor that is missing',
      'ramferry migrate tcp:127.0.0.1:1 --qmp /nonexistent --ram /nonexistent',
      /ERR_QMP_CONNECT/,
      8,
    ],
  ];
  for (const [title, line, code, status] of cases) {
    it(`ends with a typed error, given ${title}`, LIMIT, () => isTypedEnd(shell(line), code, status));
  }

  for (const files of [25, 30]) {
    it(`works or ends with a typed error, given ulimit -n ${files}`, LIMIT, () => {
      const ended = shell(`ulimit -n ${files}; ramferry receive $STREAM $DIR/few-files --force`);
      // Later Node versions need fewer files, and a short stream needs no thread.
      if (ended.status === 0)
        assert.ok(readFileSync(join(directory, 'few-files')).equals(readFileSync(image)));
      else isTypedEnd(ended, /ERR_RESOURCE_LIMIT/, 2);
    });
  }

  it('works in a deleted working directory, absolute paths', () => {
    const { status, stderr } = shell(
      'mkdir $DIR/gone; cd $DIR/gone; rmdir $DIR/gone; ramferry receive $STREAM $DIR/absolute --quiet',
    );
    assert.equal(status, 0, stderr);
    assert.ok(readFileSync(join(directory, 'absolute')).equals(readFileSync(image)));
  });
});

describe("toRamferryError of Node's errors", () => {
  const failures: [what: string, failure: () => unknown, code: string][] = [
    ['no memory for a buffer', () => new RangeError('Array buffer allocation failed'), 'ERR_RESOURCE_LIMIT'],
    [
      'no further process',
      () => Object.assign(new Error('spawn EAGAIN'), { code: 'EAGAIN' }),
      'ERR_RESOURCE_LIMIT',
    ],
    [
      'no further file of the system',
      () => Object.assign(new Error('open'), { code: 'ENFILE' }),
      'ERR_RESOURCE_LIMIT',
    ],
    [
      'a binary of another machine',
      () => Object.assign(new Error('x'), { code: 'ERR_DLOPEN_FAILED' }),
      'ERR_CODEC_UNAVAILABLE',
    ],
  ];
  for (const [what, failure, code] of failures) {
    it(`is ${code}, for ${what}`, () => assert.equal(toRamferryError(failure()).code, code));
  }
});

describe('thread limit of the host', LIMIT, () => {
  const few = (threads: number, limit: number): Ended =>
    shell(
      `chmod 755 $DIR; rm -rf $DIR/few; mkdir -m 777 $DIR/few; export -f ramferry;
       setpriv --reuid 123457 --regid 123457 --clear-groups bash -c 'ulimit -u ${limit}; ramferry send --compress-wait-thread off --compress-threads ${threads} --chunk-size 64K $IMAGE $DIR/few/out'`,
    );
  const another = ['--reuid', '123457', '--regid', '123457', '--clear-groups'];
  const reading = `require('fs').accessSync(process.argv[1])`;
  const skip =
    process.getuid?.() !== 0
      ? 'needs root, whom such a limit does not concern'
      : spawnSync('setpriv', [...another, process.execPath, '-e', reading, join(ROOT, 'package.json')])
            .status === 0
        ? false
        : 'another user cannot read this checkout, or run this Node';

  it('continues with fewer threads and warns, some available', { ...LIMIT, skip }, () => {
    const { status, stderr } = few(12, 16);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^ramferry: warning: \d of 12 threads could be started: /m);
    assert.equal(shell('ramferry receive --quiet --force $DIR/few/out $DIR/few/back').status, 0);
    assert.ok(readFileSync(join(directory, 'few/back')).equals(readFileSync(image)));
  });

  it('ends with a typed error, none available', { ...LIMIT, skip }, (t) => {
    for (let limit = 10; limit < 14; limit++) {
      const { status, stderr } = few(2, limit);
      // The limit is below Node's own threads: the process ends before it loads ramferry.
      if (status === 134) continue;
      if (status === 0) return;
      isTypedEnd({ status, stderr }, /ERR_RESOURCE_LIMIT/, 2);
    }
    t.diagnostic('every limit was too low');
  });
});

describe('installation without a package', LIMIT, () => {
  /** Installs the program with all packages except the given ones. */
  function without(...missing: readonly string[]): string {
    const root = mkdtempSync(join(directory, 'without-'));
    cpSync(join(ROOT, 'dist/src'), join(root, 'dist/src'), { recursive: true });
    cpSync(join(ROOT, 'dist/workers'), join(root, 'dist/workers'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(root, 'package.json'));
    const modules = join(root, 'node_modules');
    for (const name of packages()) {
      if (missing.some((each) => name === each || name.startsWith(`${each}-`))) continue;
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      // A package that looks for a missing neighbour is copied: through a link it would find the original's neighbour.
      const copied = missing.some((each) => each.split('/')[0] === name.split('/')[0]);
      if (copied) cpSync(join(ROOT, 'node_modules', name), join(modules, name), { recursive: true });
      else symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    return join(root, 'dist/src/cli/main.js');
  }

  for (const name of ['zstd-napi', '@mongodb-js/zstd', 'koffi', '@koromix']) {
    it(`works without ${name}`, LIMIT, () => {
      const { status, stderr } = shell('ramferry send $IMAGE $DIR/out --force --quiet', without(name));
      assert.equal(status, 0, stderr);
    });
  }

  for (const name of ['@node-rs/xxhash', 'piscina', 'zod']) {
    it(`ends with a typed error without ${name}`, LIMIT, () => {
      // A short input needs no thread otherwise, and so no piscina.
      const line = 'ramferry send --compress-wait-thread off $IMAGE $DIR/out --force';
      isTypedEnd(shell(line, without(name)), /ERR_CODEC_UNAVAILABLE/, 2);
    });
  }

  it('ends with a typed error, no checksum binding for this machine', LIMIT, (t) => {
    const binary = packages().find((name) => /^@node-rs\/xxhash-/.test(name));
    if (binary === undefined) return t.skip('the checksum has no package for this machine');
    const main = without(binary);
    isTypedEnd(shell('ramferry send $IMAGE $DIR/out --force', main), /ERR_CODEC_UNAVAILABLE/, 2);
  });

  it('ends with a typed error, package of the codec missing', LIMIT, () => {
    const line = 'ramferry send $IMAGE $DIR/out --force --codec lz4';
    isTypedEnd(shell(line, without('lz4-napi')), /ERR_CODEC_UNAVAILABLE/, 2);
  });
});

/** The packages that the program needs, with their dependencies. */
function packages(): string[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    let manifest: Record<string, Record<string, string> | undefined>;
    try {
      const path = join(ROOT, 'node_modules', name, 'package.json');
      manifest = JSON.parse(readFileSync(path, 'utf8')) as typeof manifest;
    } catch {
      return;
    }
    if (found.has(name)) return;
    found.add(name);
    for (const kind of ['dependencies', 'optionalDependencies']) {
      for (const each of Object.keys(manifest[kind] ?? {})) visit(each);
    }
  };
  const own = createRequire(import.meta.url)(join(ROOT, 'package.json')) as Record<
    string,
    Record<string, string>
  >;
  for (const kind of ['dependencies', 'optionalDependencies']) Object.keys(own[kind]!).forEach(visit);
  return [...found];
}
