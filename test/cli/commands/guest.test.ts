// The simulated guest as processes: its three commands, their exit statuses and their output.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Command, run } from '../command.js';

type Line = Record<string, unknown>;
const jsonLines = (text: Buffer | string): Line[] =>
  text
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

const SMALL = ['--size', '8MiB', '--working-set', '1MiB', '--dirty-rate', '4MiB', '--max-rounds', '3'];

describe('simulated guest', () => {
  let directory: string;
  const path = (name: string): string => join(directory, name);

  before(async () => (directory = await mkdtemp(join(tmpdir(), 'ramferry-guest-'))));
  after(() => rm(directory, { recursive: true, force: true }));

  it('prints help for itself and for each command', async () => {
    const all = await run(['guest', '--help']);
    assert.equal(all.status, 0);
    for (const name of ['source', 'destination', 'compare']) {
      assert.match(all.stdout.toString(), new RegExp(`ramferry guest ${name}`));
    }
    const one = await run(['guest', 'source', '--help']);
    assert.match(one.stdout.toString(), /--downtime-limit/);
  });

  const misuses: [string[], RegExp][] = [
    [['guest'], /^ramferry: ERR_USAGE: source, destination or compare is needed/],
    [['guest', 'sauce'], /^ramferry: ERR_USAGE: /],
    [['guest', 'source', 'a', '--size', '5000'], /^ramferry: ERR_OPTION_INVALID: --size: .*multiple of 4096/],
    [['guest', 'source', 'a', '--pattern', 'zigzag'], /^ramferry: ERR_OPTION_INVALID: --pattern: .*"zigzag"/],
    [
      ['guest', 'source', 'a', '--rounds', '2', '--max-rounds', '3'],
      /^ramferry: ERR_OPTION_INVALID: --rounds: /,
    ],
    [['guest', 'source', 'a', '--image', 'x', '--size', '1M'], /^ramferry: ERR_OPTION_INVALID: --image: /],
    [
      ['guest', 'compare', '--dirty-rate', '80Mb'],
      /^ramferry: ERR_OPTION_INVALID: --dirty-rate: .*bits or bytes/,
    ],
  ];
  for (const [args, message] of misuses) {
    it(`refuses "${args.join(' ')}" with status 2`, async () => {
      const { status, stderr } = await run(args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, message);
    });
  }

  it('moves over a socket, is acknowledged and compared, with reports at both ends', async () => {
    const destination = new Command(['guest', 'destination', `unix-listen:${path('s')}`, '--json']);
    const source = await run(['guest', 'source', `unix:${path('s')}`, '--json', ...SMALL]);
    assert.equal(source.status, 0, source.stderr);
    assert.equal(source.stderr, '');
    const lines = jsonLines(source.stdout);
    assert.deepEqual(lines[0], { message_type: 'ready', 'total-bytes': 8 * 2 ** 20 + 532_480 });
    const summary = lines.at(-1)!;
    assert.equal(summary['message_type'], 'summary');
    assert.equal(summary['acknowledged'], true);
    const rounds = lines.filter(({ message_type }) => message_type === 'round');
    assert.deepEqual(
      rounds.map(({ round }) => round),
      rounds.map((_, i) => i + 1),
    );
    const ram = summary['ram'] as Record<string, number>;
    assert.equal(ram['dirty-sync-count'], rounds.length);
    assert.equal(
      ram['pages'],
      rounds.reduce((sum, { pages }) => sum + (pages as number), 0),
    );

    const ended = await destination.ended;
    assert.equal(ended.status, 0, ended.stderr);
    const there = jsonLines(ended.stdout).at(-1)!;
    assert.equal(there['acknowledged'], true);
    assert.equal((there['ram'] as Record<string, number>)['transferred'], ram['transferred']);
  });

  it('writes only the stream to standard output, and is verified from a file', async () => {
    const source = await run(['guest', 'source', '--format', 'libxc-pv', '--one-way', '--size', '8MiB']);
    assert.equal(source.status, 0, source.stderr);
    assert.match(source.stderr, /^round 1: 2048 pages, /m);
    assert.match(source.stderr, /^last round \(paused\): \d+ pages/m);
    assert.match(source.stderr, /^downtime: \d+ ms \(not acknowledged\)$/m);
    await writeFile(path('stream'), source.stdout);
    const { status, stderr } = await run(['guest', 'destination', path('stream')]);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^ram compared: equal to the source's$/m);

    // Flips one bit of a page, far from any header.
    const damaged = Buffer.from(source.stdout);
    damaged[2 ** 21]! ^= 1;
    await writeFile(path('damaged'), damaged);
    const refused = await run(['guest', 'destination', path('damaged'), '--quiet']);
    assert.equal(refused.status, 5);
    assert.match(refused.stderr, /^ramferry: ERR_STREAM_CHECKSUM: RAM /);
  });

  it('refuses a guest above --ram-limit, with the reason at the source', async () => {
    const listen = ['guest', 'destination', `unix-listen:${path('small')}`, '--ram-limit', '1MiB'];
    const destination = new Command(listen);
    const source = await run(['guest', 'source', `unix:${path('small')}`, '--quiet', ...SMALL]);
    assert.equal(source.status, 4);
    assert.match(source.stderr, /^ramferry: ERR_PEER_FAILED: /);
    const { status, stderr } = await destination.ended;
    assert.equal(status, 5);
    assert.match(stderr, /ERR_STREAM_LIMIT/);
  });

  it('ends on SIGINT, waiting for a connection', async () => {
    const destination = new Command(['guest', 'destination', `unix-listen:${path('wait')}`]);
    await destination.says(/listening/);
    destination.process.kill('SIGTERM');
    assert.equal((await destination.ended).status, 143);
  });

  describe('guest compare', () => {
    const COMPARE = [
      'guest',
      'compare',
      '--shaping',
      'max-bandwidth',
      '--size',
      '8MiB',
      '--working-set',
      '1MiB',
    ];

    it('prints two tables, and their figures as JSON', async () => {
      const { status, stdout, stderr } = await run([
        ...[...COMPARE, '--dirty-rate', '4MiB', '--rounds', '2', '--compress-threads', '1', '--json'],
      ]);
      assert.equal(status, 0, stderr);
      const lines = jsonLines(stdout);
      const summary = lines.at(-1)!;
      assert.equal(summary['shaping'], 'max-bandwidth');
      const comparisons = summary['comparisons'] as {
        load: string;
        without: Record<'source', { writes: number; rounds: unknown[]; ram: { transferred: number } }>;
        with: Record<'source' | 'send', { writes: number; ram: { transferred: number; total: number } }>;
      }[];
      assert.deepEqual(
        comparisons.map(({ load }) => load),
        ['idle', 'writer'],
      );
      const [idle, writer] = comparisons;
      assert.equal(idle!.without.source.writes, 0);
      assert.ok(writer!.without.source.writes > 0);
      assert.equal(writer!.without.source.rounds.length, 3);
      assert.equal(idle!.with.send.ram.total, idle!.with.source.ram.transferred);
      assert.ok(idle!.with.send.ram.transferred < idle!.without.source.ram.transferred);
    });

    it('prints text on standard output, and nothing else with --quiet', async () => {
      const { status, stdout, stderr } = await run([...COMPARE, '--dirty-rate', '1MiB', '--quiet']);
      assert.equal(status, 0, stderr);
      // A busy machine may not keep up with the guest, and send warns of that even with --quiet.
      assert.equal(stderr.replace(/^ramferry: warning: .*\n/gm, ''), '');
      const text = stdout.toString();
      for (const row of ['idle guest', 'guest that writes', 'total time', 'downtime', 'transferred ram']) {
        assert.match(text, new RegExp(row));
      }
      assert.match(text, /^without \/ with: total time \d+\.\d\d x, downtime /m);
    });

    it('names the failed part and leaves no process and no file', async () => {
      const own = { TMPDIR: path('temporary') };
      await mkdir(own.TMPDIR);
      const { status, stderr } = await run([...COMPARE, '--codec', 'gzip', '--quiet'], own);
      assert.equal(status, 2);
      assert.match(stderr, /^ramferry: ERR_OPTION_INVALID: --codec: .*"gzip"/);
      assert.deepEqual(await readdir(own.TMPDIR), []);
    });
  });

  it('writes a stream to a file of mode 0600', async () => {
    const { status } = await run(['guest', 'source', path('own'), '--size', '4MiB', '--quiet']);
    assert.equal(status, 0);
    assert.equal((await stat(path('own'))).mode & 0o777, 0o600);
    assert.equal((await readFile(path('own'))).toString('latin1', 0, 4), 'QEVM');
  });
});
