// The command line as a process: exit statuses, the output on each descriptor, signals.

import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateImage } from '../../src/image/image.js';
import { Command, MAIN, run } from './command.js';

type Line = Record<string, unknown>;
const jsonLines = (text: Buffer | string): Line[] =>
  text
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

describe('limit of open files', () => {
  const withFiles = (limit: number, ...args: string[]): SpawnSyncReturns<string> =>
    spawnSync('sh', ['-c', `ulimit -n ${limit}; exec "$@"`, 'sh', process.execPath, ...args], {
      encoding: 'utf8',
    });

  it('names ulimit -n and prints no stack trace, any limit', () => {
    // Node itself does not start below a limit that depends on its version.
    const small = join(import.meta.dirname, '../../src/cli/process/v8-flags.js');
    let least = 12;
    while (withFiles(least, small).status !== 0) least += 1;
    let refused = 0;
    for (let limit = least; limit <= least + 18; limit += 3) {
      const { status, stderr } = withFiles(limit, MAIN, 'features');
      if (status === 0) {
        assert.equal(stderr, '', `limit ${limit}`);
        continue;
      }
      refused += 1;
      assert.match(stderr, /^ramferry: .*too many open files/, `limit ${limit}`);
      assert.match(stderr, /ulimit -n/);
      assert.doesNotMatch(stderr, /^ +at /m);
    }
    assert.ok(refused > 0, 'no limit was too low');
  });
});

describe('command line', () => {
  let directory: string;
  let image: string;
  let contents: Buffer;
  const path = (name: string): string => join(directory, name);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ramferry-cli-'));
    image = path('guest.ram');
    contents = Buffer.concat([...generateImage({ bytes: 6 * 1024 * 1024, seed: 7, profile: 'busy' })]);
    await writeFile(image, contents);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  describe('help and usage', () => {
    it('lists the commands and the options', async () => {
      const all = await run(['--help']);
      assert.equal(all.status, 0);
      for (const name of ['send', 'receive', 'inspect', 'features'])
        assert.match(all.stdout.toString(), new RegExp(`ramferry ${name}`));
      const one = await run(['send', '--help']);
      assert.equal(one.status, 0);
      assert.match(one.stdout.toString(), /--compress-threads/);
    });

    it('prints the version of the package', async () => {
      const { version } = JSON.parse(
        await readFile(new URL('../../../package.json', import.meta.url), 'utf8'),
      ) as { version: string };
      assert.equal((await run(['--version'])).stdout.toString(), `${version}\n`);
    });

    const misuses: [string[], RegExp][] = [
      [[], /^ramferry: ERR_USAGE: a command is needed\nhint: /],
      [
        ['sned', 'a', 'b'],
        /^ramferry: ERR_USAGE: there is no command "sned"\nhint: did you mean ramferry send\?/,
      ],
      [['send', '--chunksize', '1M', 'a', 'b'], /\nhint: --chunksize: did you mean --chunk-size\?/],
      [['send', '-T4', 'a', 'b'], /\nhint: -T4: write --compress-threads 4/],
      [['send', '-1', 'a', 'b'], /\nhint: -1: write --compress-level 1/],
      [['-V'], /\nhint: -V: write --version/],
      [['send', '--codec', 'zstd:3', 'a', 'b'], /\nhint: write --codec zstd --compress-level 3/],
      [['send', '--chunk-size', '1K', 'a', 'b'], /: --chunk-size: 1K is below the minimum of 64KiB\n/],
      [['bench', '--threads', 'x', 'a'], /: --threads: expected a number, got "x"\n/],
      [['send', 'a', '127.0.0.1:4444'], /\nhint: write tcp:127\.0\.0\.1:4444 to connect, or file:\.\/127/],
      [['send', 'a', 'tpc:h:1'], /\nhint: write tcp:h:1; /],
      [['send', 'a', 'b', '--codex', 'lz4'], /^ramferry: ERR_USAGE: .*codex/],
      [['send', 'a', 'b', 'c'], /^ramferry: ERR_USAGE: /],
      [['send', 'a', 'b', '--codec'], /^ramferry: ERR_USAGE: .*codec\nhint: /],
      [['send', 'a', 'b', '--codec', 'gzip'], /^ramferry: ERR_OPTION_INVALID: --codec: .*"gzip"/],
      [
        ['send', 'a', 'b', '--compress-threads', 'two'],
        /^ramferry: ERR_OPTION_INVALID: --compress-threads: .*"two"/,
      ],
      [
        ['send', 'a', 'b', '--chunk-size', '1X'],
        /^ramferry: ERR_OPTION_INVALID: --chunk-size: .*"1X"\nhint: /,
      ],
      [['receive', 'a', 'b', '--codec', 'lz4'], /^ramferry: ERR_USAGE: .*codec/],
    ];
    for (const [args, message] of misuses) {
      it(`refuses "${args.join(' ')}" with status 2 and no stack trace`, async () => {
        const { status, stdout, stderr } = await run(args);
        assert.equal(status, 2);
        assert.equal(stdout.length, 0);
        assert.match(stderr, message);
        assert.ok(!/\n\s+at /.test(stderr));
      });
    }
  });

  // Node's pipes to children are sockets, which are duplex. So the tests pass --one-way where stdio is a link.
  describe('transfer', () => {
    it('restores the bytes with a JSON summary on stdout and nothing on stderr, over tcp', async () => {
      const restored = path('tcp.ram');
      const receiver = new Command(['receive', 'tcp-listen:0', restored, '--json']);
      const [, address] = await receiver.says(/"address":"([^"]+)"/);
      const sent = await run(['send', image, address!.replace('tcp-listen', 'tcp'), '--json', '--quiet']);
      const received = await receiver.ended;
      assert.deepEqual([sent.status, sent.stderr], [0, '']);
      assert.deepEqual([received.status, received.stderr], [0, '']);
      assert.ok((await readFile(restored)).equals(contents));
      const summary = jsonLines(sent.stdout).at(-1)!;
      assert.equal(summary['message_type'], 'summary');
      assert.equal(summary['status'], 'completed');
      assert.equal((summary['ram'] as Line)['total'], contents.length);
      assert.equal(jsonLines(received.stdout).at(-1)!['message_type'], 'summary');
    });

    it('writes reports to stderr, stream on stdout', async () => {
      for (const [flags, report] of [
        [[], /^completed: 6\.0 MiB in .*\nlink: .*, ratio .*\ncost: .*\n$/],
        [['-v'], /^Migration status: completed$/m],
        [['--json'], /"message_type":"summary"/],
      ] as const) {
        const sent = await run(['send', image, '-', '--one-way', ...flags]);
        assert.equal(sent.status, 0);
        assert.match(sent.stderr, report);
        const receiver = new Command(['receive', '-', '-', '--one-way', '--quiet']);
        receiver.process.stdin.end(sent.stdout);
        const received = await receiver.ended;
        assert.deepEqual([received.status, received.stderr], [0, '']);
        assert.ok(received.stdout.equals(contents));
      }
    });

    it('reads options from the environment, with precedence for the command line', async () => {
      const environment = { RAMFERRY_CODEC: 'lz4', RAMFERRY_CHUNK_SIZE: '64K' };
      const args = ['send', image, '--json', '--quiet', '--force', path('env.rf')];
      const codecs = async (more: string[]): Promise<string[]> => {
        const { stdout } = await run([...args, ...more], environment);
        const chunks = jsonLines(stdout).at(-1)!['chunks'] as Line;
        assert.equal(chunks['total'], contents.length / 65536);
        return Object.keys(chunks['codecs'] as Line);
      };
      assert.ok((await codecs([])).includes('lz4'));
      assert.ok((await codecs(['--codec', 'zlib'])).includes('zlib'));
    });

    it('names the damage, exits with 5 and leaves no output, damaged stream', async () => {
      const stream = (await run(['send', image, '-', '--one-way', '--quiet'])).stdout;
      stream[stream.length >> 1]! ^= 1;
      await writeFile(path('damaged.rf'), stream);
      for (const json of [false, true]) {
        const args = ['receive', path('damaged.rf'), path('damaged.ram')];
        const { status, stderr } = await run(json ? [...args, '--json'] : args);
        assert.equal(status, 5);
        if (json) {
          const error = jsonLines(stderr).at(-1)!;
          assert.equal(error['message_type'], 'error');
          assert.match(String(error['code']), /^ERR_STREAM_/);
          assert.equal(error['exit_code'], 5);
        } else {
          assert.match(stderr, /^ramferry: ERR_STREAM_\w+: .+\nwhere: .*\d+\nhint: .+\n$/);
        }
        assert.ok(!existsSync(path('damaged.ram')));
      }
    });

    it('reads on and off as QEMU writes them', async () => {
      const off = ['--compress-wait-thread', 'off', '--quiet', '--sync=off'];
      assert.equal((await run(['send', ...off, image, path('off.rf')])).status, 0);
      const { status, stderr } = await run(['send', '--compress-wait-thread', 'maybe', image, path('on.rf')]);
      assert.equal(status, 2);
      assert.match(stderr, /ERR_OPTION_INVALID: --compress-wait-thread: expected yes or no, got "maybe"/);
    });

    it('reads the arguments behind -- as addresses, not as options', async () => {
      assert.equal((await run(['send', '--quiet', '--', image, path('behind.rf')])).status, 0);
      assert.ok(existsSync(path('behind.rf')));
      const { status, stderr } = await run(['send', '--quiet', '--', '-h', path('help.rf')]);
      assert.equal(status, 3);
      assert.match(stderr, /ERR_INPUT_OPEN: cannot open \.\/-h/);
    });

    it('fails with status 3 on a missing input, and with 6 on an existing output', async () => {
      const missing = await run(['send', path('missing'), path('out.rf')]);
      assert.equal(missing.status, 3);
      await writeFile(path('taken'), 'precious');
      const taken = await run(['send', image, path('taken')]);
      assert.equal(taken.status, 6);
      assert.equal(await readFile(path('taken'), 'utf8'), 'precious');
    });

    it('reports an error, closed standard stream', () => {
      // Node opens the null device in its place: such a transfer would succeed and lose all bytes.
      const closed = (line: string): { status: number | null; stderr: string } =>
        spawnSync('sh', ['-c', line, process.execPath, MAIN, image, path('closed.rf')], { encoding: 'utf8' });
      const input = closed('exec "$0" "$1" send - "$3" <&-');
      assert.equal(input.status, 3);
      assert.match(input.stderr, /^ramferry: ERR_INPUT_OPEN: cannot open -: standard input is closed/);
      const output = closed('exec "$0" "$1" send "$2" - >&-');
      assert.equal(output.status, 6);
      assert.match(output.stderr, /^ramferry: ERR_OUTPUT_OPEN: .* standard output is closed/);
      assert.equal(closed('exec "$0" "$1" send --quiet "$2" - >/dev/null').status, 0);
      // Python's DEVNULL cannot be distinguished from a closed descriptor, so the message names both.
      const both = closed('exec "$0" "$1" send --quiet "$2" - 1<>/dev/null');
      assert.equal(both.status, 6);
      assert.match(
        both.stderr,
        /is closed, or is \/dev\/null opened for reading and writing\n.*file:\/dev\/null/,
      );
      assert.equal(closed('exec "$0" "$1" send --quiet "$2" file:/dev/null 1<>/dev/null').status, 0);
      assert.ok(!existsSync(path('closed.rf')));
    });

    it('writes a log of mode 0600 without page contents', async () => {
      const log = path('log.jsonl');
      await run(['send', image, path('logged.rf'), '--log-file', log, '--quiet']);
      await run(['send', image, path('logged.rf'), '--log-file', log, '--quiet']);
      assert.equal((await stat(log)).mode & 0o777, 0o600);
      const lines = jsonLines(await readFile(log));
      assert.deepEqual(lines.map((line) => line['msg']).slice(0, 2), ['transfer starts', 'transfer ended']);
      assert.equal((lines.at(-1)!['error'] as Line)['code'], 'ERR_OUTPUT_EXISTS');
    });
  });

  describe('signals', () => {
    for (const [signal, status, code] of [
      ['SIGINT', 130, 'ERR_INTERRUPTED'],
      ['SIGTERM', 143, 'ERR_TERMINATED'],
      ['SIGHUP', 143, 'ERR_TERMINATED'],
    ] as const) {
      it(`${signal} ends a transfer with status ${status} and leaves no output`, async () => {
        const target = await mkdtemp(join(directory, 'signal-'));
        const command = new Command(['send', '-', join(target, 'out.rf')]);
        command.process.stdin.write(contents);
        // The transfer runs when it can report its progress.
        const asking = setInterval(() => command.process.kill('SIGUSR1'), 100);
        try {
          await started(command);
          await command.says(/ MB\/s -> /);
        } finally {
          clearInterval(asking);
        }
        command.process.kill(signal);
        const ended = await command.ended;
        assert.equal(ended.status, status);
        assert.match(ended.stderr, new RegExp(`^ramferry: ${code}: `, 'm'));
        assert.deepEqual(await readdir(target), []);
      });
    }

    it('removes temporaries of a killed run and reports them, same directory', async () => {
      const target = await mkdtemp(join(directory, 'killed-'));
      const command = new Command(['send', '-', join(target, 'out.rf')]);
      await started(command);
      command.process.kill('SIGKILL');
      await command.ended;
      const [left] = await readdir(target);
      assert.match(left!, /^\.ramferry-.*\.tmp$/);
      const { status, stderr } = await run(['send', image, join(target, 'next.rf'), '--quiet']);
      assert.equal(status, 0);
      assert.ok(stderr.includes(left!), stderr);
      assert.deepEqual(await readdir(target), ['next.rf']);
    });

    it('SIGINT ends a listener without a connection', async () => {
      const command = new Command(['receive', 'tcp-listen:0', path('unsent.ram')]);
      await command.says(/listening on/);
      command.process.kill('SIGINT');
      assert.equal((await command.ended).status, 130);
      assert.ok(!existsSync(path('unsent.ram')));
    });

    it('completes the transfer, reader of the reports closes', async () => {
      const command = new Command(['send', '-', path('unread.rf'), '--json']);
      command.process.stdout.destroy();
      command.process.stderr.destroy();
      command.process.stdin.end(contents);
      assert.equal((await command.ended).status, 0);
      assert.ok(existsSync(path('unread.rf')));
    });
  });

  describe('inspect', () => {
    before(async () => {
      assert.equal((await run(['send', image, path('inspected.rf'), '--quiet'])).status, 0);
    });

    it('prints the contents of a stream, as text and as JSON', async () => {
      const text = await run(['inspect', path('inspected.rf')]);
      assert.equal(text.status, 0);
      assert.match(text.stdout.toString(), /^guest side: 6\.0 MiB \(6291456 bytes\)$/m);
      const json = await run(['inspect', path('inspected.rf'), '--verify', '--json']);
      assert.equal(json.status, 0);
      const [line] = jsonLines(json.stdout);
      assert.equal(line!['message_type'], 'inspection');
      assert.equal(line!['verified'], true);
      assert.equal(line!['decodedBytes'], contents.length);
    });

    it('reads a pipe in one pass, and frames', async () => {
      const frames = path('inspected.zst');
      assert.equal((await run(['send', image, frames, '--method', 'stream', '--quiet'])).status, 0);
      for (const file of [path('inspected.rf'), frames]) {
        const command = new Command(['inspect', '-', '--verify', '--json']);
        command.process.stdin.end(await readFile(file));
        const piped = await command.ended;
        assert.equal(piped.status, 0, piped.stderr);
        const [line] = jsonLines(piped.stdout);
        assert.equal(line!['container'], file === frames ? 'frames' : 'native');
        assert.equal(line!['decodedBytes'], contents.length);
      }
    });

    it('fails with status 5, foreign or truncated stream', async () => {
      assert.match((await run(['inspect', image])).stderr, /^ramferry: ERR_STREAM_MAGIC: /);
      const stream = await readFile(path('inspected.rf'));
      await writeFile(path('half.rf'), stream.subarray(0, stream.length >> 1));
      const half = await run(['inspect', path('half.rf')]);
      assert.equal(half.status, 5);
      assert.match(half.stderr, /^ramferry: ERR_STREAM_TRUNCATED: /);
      assert.equal(half.stdout.length, 0);
    });
  });

  describe('features', () => {
    it('prints text', async () => {
      const { status, stdout } = await run(['features']);
      assert.equal(status, 0);
      assert.match(stdout.toString(), /^ramferry \d+\.\d+\.\d+, stream version \d+, Node\.js /);
      assert.match(stdout.toString(), /^ {4}\* zstd|^ {4}\* node:zlib|^ {4}\* @mongodb-js/m);
    });

    it('prints one line of JSON, --json', async () => {
      const [line] = jsonLines((await run(['features', '--json'])).stdout);
      assert.equal(line!['message_type'], 'features');
      assert.deepEqual(line!['methods'], ['xenguest', 'stream']);
      assert.equal((line!['errors'] as Line)['ERR_USAGE'], 2);
    });
  });
});

/** Waits for the output's temporary file: before the handlers are installed, SIGUSR1 would open a debugger. */
async function started(command: Command): Promise<void> {
  const target = command.process.spawnargs.at(-1)!;
  const folder = join(target, '..');
  while ((await readdir(folder)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
}
