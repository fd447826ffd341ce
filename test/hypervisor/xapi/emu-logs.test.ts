// The records of a front: the system's log, its log file, a span in xenopsd's trace.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { delimiter } from 'node:path';
import { describe, it } from 'node:test';
import { BIG, tinyGuest, LIVE, Stage } from '../support/stage.js';
import { PARENT, TRACE, TracedEnvironment } from '../../cli/tracing/sdk.js';
import { END_HEADER, type FrontOptions } from '../../../lab/xapi/xenopsd.js';

const stage = new Stage();
const { workshop } = stage;

/** A complete save with these options. */
async function save(options: Partial<FrontOptions>): Promise<string> {
  const stream = stage.stream('socket', true);
  const arrivals = stream.collect();
  const scenario = { memory: workshop.file(tinyGuest()) };
  const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario, ...options });
  await xenopsd.save(true);
  await xenopsd.writeToStream(END_HEADER);
  assert.equal(await xenopsd.status(), 0);
  fs.closeSync(stream.fd);
  await arrivals.ended;
  return xenopsd.logFile;
}

describe('emu-manager: log', () => {
  it('writes to the system’s log, with a process for each level', async () => {
    const said = path.join(workshop.directory, 'said');
    fs.mkdirSync(path.join(workshop.directory, 'bin'));
    // The stand-in lives until its input ends, like the real logger, and renames its output when that is complete.
    const logger = `#!/bin/sh\n{ echo "$*"; cat; } >'${said}.part' && mv '${said}.part' '${said}'\n`;
    fs.writeFileSync(path.join(workshop.directory, 'bin/logger'), logger, { mode: 0o755 });
    const PATH = path.join(workshop.directory, 'bin') + delimiter + (process.env['PATH'] ?? '');
    await save({ logging: [], env: { PATH } });
    while (!fs.existsSync(said)) await new Promise((resolve) => setTimeout(resolve, 5));
    const lines = fs.readFileSync(said, 'utf8').trim().split('\n');
    assert.match(lines[0]!, /^-t ramferry\[\d+\] -p daemon\.info$/);
    assert.match(lines[1]!, /^started \{"mode":"hvm_save".*"selfCheck":true/);
    assert.match(lines.at(-1)!, /^emu-manager has ended /);
  });

  it('writes to --log-file', async () => {
    const lines = fs
      .readFileSync(await save({}), 'utf8')
      .trim()
      .split('\n');
    const first = JSON.parse(lines[0]!) as { msg: string; selfCheck: boolean; hostThreads: number };
    assert.equal(first.msg, 'started');
    // Both are on by default.
    assert.equal(first.selfCheck, true);
    assert.ok(first.hostThreads > 0);
  });

  it('completes the migration when the log cannot be written', async () => {
    await save({ logging: ['--no-syslog', '--log-file', '/nonexistent/log'] });
    await save({ logging: [], env: { PATH: '/nonexistent' } });
  });
});

describe('emu-manager: metrics', () => {
  const labels = 'migration="domid-7",side="source"';
  const figure = (text: string, name: string): number =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name}{`))
        ?.split(' ')
        .at(-1),
    );

  it('writes to the file of its domain', async () => {
    const { directory } = workshop;
    await save({ options: ['--metrics', path.join(directory, 'ramferry-{domid}.prom')] });
    const text = fs.readFileSync(path.join(directory, 'ramferry-7.prom'), 'utf8');
    assert.ok(text.includes(`ramferry_migration_succeeded{${labels}} 1`), text);
    assert.equal(figure(text, 'ramferry_migration_data_processed_bytes'), tinyGuest().length);
    const ratio = figure(text, 'ramferry_migration_compression_ratio');
    assert.ok(ratio > 1 && ratio < 1000, String(ratio));
  });

  it('names the failure of the front', async () => {
    const { directory } = workshop;
    const wanted = ['--metrics', path.join(directory, 'failed-{domid}.prom')];
    const { xenopsd, stream } = await stage.beginSave('socket', { memory: workshop.file(BIG) }, wanted);
    xenopsd.process.kill('SIGTERM');
    assert.equal(await xenopsd.status(), 2);
    stream.close();
    const text = fs.readFileSync(path.join(directory, 'failed-7.prom'), 'utf8');
    assert.ok(text.includes(`ramferry_migration_failed{${labels},code="ERR_TERMINATED"} 1`), text);
  });

  it('answers at --metrics-listen while the guest is carried', async () => {
    const wanted = ['--metrics-listen', '127.0.0.1:0'];
    const { xenopsd, stream } = await stage.beginSave('socket', { memory: workshop.file(BIG) }, wanted);
    let url: string | undefined;
    while (url === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      [, url] = /"url":"([^"]+)"/.exec(fs.readFileSync(xenopsd.logFile, 'utf8')) ?? [];
    }
    const text = await (await fetch(url)).text();
    assert.ok(text.includes(`ramferry_migration_succeeded{${labels}} 0`), text);
    await xenopsd.say('abort');
    await xenopsd.status();
    stream.close();
  });

  it('completes the migration without them, file that cannot be written and address of another', async () => {
    const wanted = ['--metrics', '/nonexistent/{domid}.prom', '--metrics-listen', 'elsewhere'];
    const log = fs.readFileSync(await save({ options: wanted }), 'utf8');
    assert.match(log, /no metrics: .*--metrics-listen|no metrics: metricsListen/);
  });
});

describe('emu-manager: trace', () => {
  const sdk = new TracedEnvironment(workshop.directory);

  it('gets a span of ours under xenopsd’s, where OpenTelemetry is set up', async () => {
    const { env, spans } = sdk.collecting();
    const [trace, parent] = ['1'.repeat(32), '2'.repeat(16)];
    const own = ['-traceparent', `00-${trace}-${parent}-01`, '-tracestate', 'vendor=1'];
    await save({ args: [...LIVE, ...own], env });
    const seen = spans().find(({ name }) => name === 'ramferry.transfer')!;
    assert.equal(seen.scope, 'ramferry');
    assert.deepEqual([seen.trace, seen.parent, seen.state], [trace, parent, 'vendor=1']);
    const { attributes } = seen;
    assert.equal(attributes['ramferry.command'], 'emu-manager');
    assert.equal(attributes['ramferry.side'], 'source');
    assert.equal(attributes['ramferry.xapi.mode'], 'hvm_save');
    assert.equal(attributes['ramferry.xapi.domid'], '7');
    assert.equal(attributes['ramferry.exit_status'], 0);
    assert.equal(attributes['ramferry.status'], 'completed');
    assert.equal(attributes['ramferry.bytes.processed'], tinyGuest().length);
    assert.equal(attributes['error.type'], undefined);
  });

  it('is that of the environment, xenopsd without a trace', async () => {
    const { env, spans } = sdk.collecting();
    await save({ env });
    const { trace, parent } = spans().find(({ name }) => name === 'ramferry.transfer')!;
    assert.deepEqual([trace, parent], [TRACE, PARENT]);
  });
});
