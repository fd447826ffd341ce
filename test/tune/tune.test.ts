// The whole of it, on a small image and with the shortest budget: real workers, real transfers, no assertion about time.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { writeImage } from '../../src/image/image.js';
import { tuneReport } from '../../src/report/html/tune.js';
import { commandsOf, formatTune, tuneFields } from '../../src/report/tune.js';
import type { TuneResult } from '../../src/tune/advice/result.js';
import { tune } from '../../src/tune/tune.js';
import { MIB } from '../../src/units.js';
import { run } from '../cli/command.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-tune-test-'));
const image = join(directory, 'guest.ram');
before(() => writeImage(image, { bytes: 72 * MIB, seed: 5, profile: 'busy' }));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

/** On a busy host the line has `fastest` instead of `recommended`. */
function parse(stdout: Buffer): TuneResult {
  const fields = JSON.parse(stdout.toString()) as TuneResult & { fastest?: TuneResult['recommended'] };
  return { ...fields, recommended: fields.fastest ?? fields.recommended };
}

describe('tune', () => {
  it('recommends and explains settings, for a slow link', async () => {
    const steps = new Set<string>();
    const result = await tune({
      input: image,
      bandwidth: '10mbit',
      budget: '3s',
      dirtyRate: '1MB',
      writer: 'discard',
      onProgress: (step) => steps.add(step),
    });
    assert.equal(result.input.bytes, 72 * MIB);
    assert.notEqual(result.recommended.settings.codec, 'none');
    assert.ok(result.recommended.seconds < result.uncompressed.seconds);
    assert.equal(result.recommended.bottleneck, 'link');
    assert.match(result.flags.send, /^--codec zstd --compress-level \d+ --compress-threads 1 /);
    assert.ok(result.recommended.live?.converges);
    const { zero, duplicate, classes } = result.memory;
    const shares = classes.reduce((sum, each) => sum + each.share, zero + duplicate);
    assert.ok(Math.abs(shares - 1) < 1e-6, String(shares));
    assert.ok(steps.has('the engine') && steps.has('zstd 1'));
    // Whether there is a recommendation depends on how busy this host is: the words for either are looked at.
    const advice: { -readonly [Field in keyof TuneResult]: TuneResult[Field] } = { ...result };
    delete advice.withheld;
    const text = formatTune(advice);
    assert.match(text, /ramferry send --codec zstd/);
    assert.match(text, /no compression/);
    assert.match(text, /Compression pays/);
    assert.match(text, /rounds/);
    assert.equal(tuneFields(advice), advice);
    // What is to be pasted has no line that a shell would not continue, and a name that it reads as one word.
    const named = { ...advice, input: { ...advice.input, name: "it's a guest.ram" } };
    const [receive, send] = commandsOf(named);
    assert.match(
      receive!,
      /^ramferry receive --decompress-threads 1 .*tcp-listen:0\.0\.0\.0:4444 arrived\.ram$/,
    );
    assert.match(send!, /^ramferry send --codec zstd .* 'it'\\''s a guest\.ram' tcp:HOST:4444$/);
    const pasted = formatTune(named).split('\n\n')[1]!;
    const unfolded = pasted.replaceAll(/ \\\n +/g, ' ').split('\n');
    assert.deepEqual(unfolded.slice(1, 3), [`  ${receive}`, `  ${send}`]);
    assert.ok(
      pasted.split('\n').every((line) => line.length <= 80),
      pasted,
    );
    const page = tuneReport(advice);
    assert.equal(page.commands.length, 2);
    const [seconds, links] = page.charts;
    assert.match(seconds!.title, /this guest takes over a link of 10 Mbit\/s/);
    assert.deepEqual(
      links!.series!.at(-1)!.points.map(({ x }) => Math.round(x)),
      [1e7, 1e7],
    );

    const load = { average: 22.4, others: 1.61, cpus: 2, busy: true };
    const busy = { ...result, withheld: ['first', 'second'], host: { ...result.host, load } };
    const words = formatTune(busy);
    assert.match(words, /^No recommendation: first; second\.$/m);
    assert.match(
      words,
      /^The host is busy \(load average 22\.4 on 2 CPUs, other programs used 1\.6 of them\)/m,
    );
    assert.match(words, /^fastest +zstd/m);
    assert.doesNotMatch(words, /ramferry send|Recommended|Compression pays|± /);
    const fields = tuneFields(busy) as Record<string, unknown>;
    assert.deepEqual([fields['recommended'], fields['flags']], [undefined, undefined]);
    assert.equal(fields['fastest'], result.recommended);
  });

  it('measures at least seven settings, whatever the budget and the load', async () => {
    const result = await tune({ input: image, bandwidth: '1gbit', budget: '3s', writer: 'discard' });
    const measured = new Set(result.codings.map(({ codec }) => codec));
    assert.ok(result.codings.length >= 5, `${result.codings.length} settings`);
    for (const codec of ['none', 'lz4', 'zstd', 'zlib'] as const) assert.ok(measured.has(codec), codec);
    assert.ok(result.host.load.average >= 0 && result.host.load.cpus >= 1);
  });

  it('takes options from the command line and prints JSON', async () => {
    const ended = await run([
      ...['tune', image, '--bandwidth', '100mbit', '--budget', '3s', '--json', '--quiet'],
      ...['--compress-cpus', '16', '--decompress-cpus', '4', '--writer', 'discard'],
    ]);
    assert.equal(ended.status, 0, ended.stderr);
    const result = parse(ended.stdout) as TuneResult & { message_type: string };
    assert.equal(result.message_type, 'tune');
    assert.equal(result.route.sender.cpus, 16);
    assert.equal(result.route.receiver.cpus, 4);
    const rows = [result.recommended, ...result.alternatives, result.uncompressed].map(({ settings }) =>
      JSON.stringify(settings),
    );
    if (result.recommended.settings.codec === 'none') rows.pop();
    assert.equal(new Set(rows).size, rows.length, 'every setting stands there once');
    assert.ok(result.alternatives.length <= 10);
  });

  it('runs the recommendation, with verify', async () => {
    const html = join(directory, 'verified.html');
    const ended = await run([
      ...['tune', image, '--bandwidth', '400mbit', '--budget', '3s', '--quiet', '--verify', '--json'],
      ...['--writer', 'discard', '--html', html],
    ]);
    assert.equal(ended.status, 0, ended.stderr);
    const { verified, recommended, flags, withheld } = parse(ended.stdout);
    assert.ok(verified !== undefined);
    const [first, ...others] = verified.runs;
    assert.equal(first?.role, 'recommended');
    assert.deepEqual(first.settings, recommended.settings);
    for (const each of [first, ...others]) {
      assert.ok(each.predicted > 0 && each.measured > 0 && each.runs.length >= 1);
    }
    assert.equal(verified.placement.kind, 'shared');
    assert.ok(verified.bytes > 0 && verified.took > 0);
    assert.ok(Math.abs(verified.linkRate! - (50e6 * 1448) / 1538) < 1);
    const page = fs.readFileSync(html, 'utf8');
    assert.match(page, /Predicted against measured/);
    assert.match(page, /Both sides shared this host/);
    if (withheld === undefined) assert.match(flags.receive, /^--decompress-threads/);
  });

  it('names the option, for values it cannot use', async () => {
    await assert.rejects(tune({ input: image, budget: '1s' }), /budget/);
    await assert.rejects(tune({ input: image, bandwidth: '5Mb' }), /bandwidth/);
    const missing = await run(['tune', join(directory, 'nothing')]);
    assert.equal(missing.status, 3);
    const unknown = await run(['tune', image, '--speed', '1']);
    assert.equal(unknown.status, 2);
  });

  it('reports an empty input', async () => {
    const empty = join(directory, 'empty.ram');
    fs.writeFileSync(empty, '');
    await assert.rejects(tune({ input: empty, bandwidth: '1gbit' }), { code: 'ERR_INPUT_TRUNCATED' });
    const standard = await run(['tune', '-', '--bandwidth', '1gbit']);
    assert.equal(standard.status, 3);
    assert.match(standard.stderr, /ERR_INPUT_TRUNCATED: - is empty/);
  });
});
