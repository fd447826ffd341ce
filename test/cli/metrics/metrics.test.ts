// --metrics and --metrics-listen: what the file and the address say, checked by promtool and scraped by a real Prometheus where installed.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { killLater } from '../../../lab/cleanup.js';
import { freePort } from '../../../lab/free-port.js';
import { generateImage } from '../../../src/image/image.js';
import { precopy } from '../../grammar/support/qemu-streams.js';
import { arriving, directory, leaving } from '../../serve/support.js';
import { Command, run } from '../command.js';

const LIMIT = { timeout: 120_000 };
const lacks = (program: string): string | false =>
  spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;

let at: string;
let image: string;

before(() => {
  at = directory();
  image = `${at}/guest.ram`;
  fs.writeFileSync(image, Buffer.concat([...generateImage({ bytes: 16 << 20, seed: 5, profile: 'busy' })]));
});

type Samples = ReadonlyMap<string, number>;

/** The values by name and labels, as they are written. */
function samplesOf(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

const samplesIn = (path: string): Samples => samplesOf(fs.readFileSync(path, 'utf8'));
const metric = (name: string, side: string, migration = 'web1'): string =>
  `ramferry_migration_${name}{migration="${migration}",side="${side}"}`;

interface Summary {
  readonly message_type: string;
  readonly ram: Readonly<Record<'total' | 'remaining' | 'transferred', number>>;
  readonly 'cpu-seconds': number;
}

function summaryOf(stdout: Buffer): Summary {
  const lines = String(stdout).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Summary).find((each) => each.message_type === 'summary')!;
}

/** The link's figures in the file are those of the summary. */
function assertEqualFigures(samples: Samples, { ram }: Summary, side: string): void {
  const figure = (name: string): number | undefined => samples.get(metric(name, side));
  assert.equal(figure('data_bytes_total'), ram.total);
  assert.equal(figure('data_processed_bytes'), ram.total - ram.remaining);
  assert.equal(figure('data_remaining_bytes'), ram.remaining);
  assert.equal(figure('transferred_bytes'), ram.transferred);
  assert.equal(figure('compression_ratio'), ram.total / ram.transferred);
  assert.equal(figure('succeeded'), 1);
}

describe('--metrics', LIMIT, () => {
  it('ends with the figures of the summary, at both sides', async () => {
    const [sent, received] = [`${at}/sent.prom`, `${at}/received.prom`];
    const send = await run([
      ...['send', image, `${at}/guest.rf`, '--json', '--metrics', sent],
      ...['--name', 'web1'],
    ]);
    assert.equal(send.status, 0, send.stderr);
    assertEqualFigures(samplesIn(sent), summaryOf(send.stdout), 'source');
    const args = ['receive', `${at}/guest.rf`, `${at}/restored`, '--json', '--metrics', received];
    const receive = await run([...args, '--metrics-name', 'web1']);
    assert.equal(receive.status, 0, receive.stderr);
    assertEqualFigures(samplesIn(received), summaryOf(receive.stdout), 'destination');
    const cpu = [...samplesIn(received)].filter(([name]) => name.startsWith('ramferry_cpu_seconds_total'));
    const seconds = cpu.reduce((sum, [, value]) => sum + value, 0);
    assert.equal(cpu.length, 2);
    // node_exporter reads both files as one set, and reports an error for each series that occurs twice.
    const both = new Set([...samplesIn(sent).keys(), ...samplesIn(received).keys()]);
    assert.equal(both.size, samplesIn(sent).size + samplesIn(received).size);
    assert.ok(seconds >= summaryOf(receive.stdout)['cpu-seconds'] - 0.01, String(seconds));
    const { mode } = fs.statSync(`${at}/guest.ram`); // of this process's umask
    assert.equal(fs.statSync(sent).mode & 0o777, mode & 0o644);
    assert.deepEqual(
      fs.readdirSync(at).filter((name) => name.includes('.part')),
      [],
    );
  });

  it('passes promtool check metrics', { skip: lacks('promtool') }, async () => {
    const path = `${at}/check.prom`;
    const { status } = await run(['send', image, `${at}/check.rf`, '--quiet', '--metrics', path]);
    assert.equal(status, 0);
    const said = spawnSync('promtool', ['check', 'metrics'], {
      input: fs.readFileSync(path),
      encoding: 'utf8',
    });
    assert.deepEqual([said.status, said.stdout + said.stderr], [0, '']);
  });

  it('names the code of a failure', async () => {
    const path = `${at}/failed.prom`;
    fs.writeFileSync(`${at}/short.rf`, fs.readFileSync(`${at}/guest.rf`).subarray(0, 1 << 20));
    const ended = await run([
      ...['receive', `${at}/short.rf`, `${at}/never`, '--metrics', path],
      ...['--metrics-name', 'a "b"'],
    ]);
    const [, code] = /ramferry: (ERR_\w+)/.exec(ended.stderr) ?? [];
    const samples = samplesIn(path);
    const labels = 'migration="a \\"b\\"",side="destination"';
    assert.equal(samples.get(`ramferry_migration_failed{${labels},code="${code}"}`), 1, ended.stderr);
    assert.equal(samples.get(`ramferry_migration_succeeded{${labels}}`), 0);
  });

  it('is refused before the transfer, directory that does not exist, and a device', async () => {
    const missing = await run(['send', image, `${at}/no.rf`, '--metrics', `${at}/no/x.prom`]);
    assert.equal(missing.status, 6);
    assert.match(missing.stderr, /ERR_OUTPUT_OPEN/);
    const device = await run(['send', image, `${at}/no.rf`, '--metrics', '/dev/stdout']);
    assert.equal(device.status, 2);
    assert.match(device.stderr, /not a regular file/);
    assert.ok(!fs.existsSync(`${at}/no.rf`));
  });
});

/** A transfer of the image that takes some seconds, and the URL of its metrics. */
async function slowTransfer(): Promise<{ readonly command: Command; readonly url: string }> {
  const receiver = new Command([
    'receive',
    'tcp-listen:127.0.0.1:0',
    `${at}/slow`,
    '--force',
    '--json',
    '--quiet',
  ]);
  const link = await receiver.listening();
  const listen = ['--metrics-listen', '127.0.0.1:0', '--name', 'web1'];
  const pace = [
    '--max-bandwidth',
    '100kB',
    '--codec',
    'zstd',
    '--compress-level',
    '1',
    '--chunk-size',
    '64KiB',
  ];
  const command = new Command([
    'send',
    image,
    link.replace('tcp-listen', 'tcp'),
    '--json',
    ...listen,
    ...pace,
  ]);
  after(() => {
    command.kill();
    receiver.kill();
  });
  const [, url] = await command.says(/"message_type":"metrics","url":"([^"]+)"/);
  return { command, url: url! };
}

describe('--metrics-listen', LIMIT, () => {
  it('shows rising bytes and a plausible ratio, and refuses what is no scrape', async () => {
    const { command, url } = await slowTransfer();
    const scrape = async (): Promise<Samples> => samplesOf(await (await fetch(url)).text());
    let first = await scrape();
    while ((first.get(metric('transferred_bytes', 'source')) ?? 0) === 0) {
      await setTimeout(50);
      first = await scrape();
    }
    let second = first;
    // The first chunk may be of zero pages only, whose ratio alone would be in the hundreds.
    while (
      second.get(metric('data_processed_bytes', 'source'))! <=
        first.get(metric('data_processed_bytes', 'source'))! ||
      second.get(metric('transferred_bytes', 'source'))! < 20_000
    ) {
      await setTimeout(50);
      second = await scrape();
    }
    const ratio = second.get(metric('compression_ratio', 'source'))!;
    assert.ok(ratio > 1 && ratio < 100, String(ratio));
    assert.equal(second.get(metric('data_bytes_total', 'source')), 16 << 20);
    assert.equal(second.get(metric('succeeded', 'source')), 0);
    assert.equal((await fetch(url, { method: 'POST' })).status, 405);
    assert.equal((await fetch(new URL('/', url))).status, 404);
    const { port } = new URL(url);
    const other = await run(['send', image, `${at}/other.rf`, '--metrics-listen', `127.0.0.1:${port}`]);
    assert.equal(other.status, 4);
    assert.match(other.stderr, /ERR_LINK_LISTEN: metrics-listen: .*in use/);
    // A client that says nothing does not delay the end.
    const silent = net.connect(Number(port), '127.0.0.1');
    silent.on('error', () => undefined);
    command.process.kill('SIGTERM');
    assert.equal((await command.ended).status, 143);
    silent.destroy();
  });

  it('refuses an address that is none', async () => {
    const ended = await run(['send', image, `${at}/other.rf`, '--metrics-listen', 'http://x/']);
    assert.equal(ended.status, 2);
    assert.match(ended.stderr, /--metrics-listen: expected HOST:PORT/);
  });

  it('is scraped by Prometheus', { skip: lacks('prometheus') }, async () => {
    const { command, url } = await slowTransfer();
    const target = new URL(url).host;
    fs.writeFileSync(
      `${at}/prometheus.yml`,
      `global: { scrape_interval: 250ms, scrape_timeout: 250ms }\nscrape_configs:\n  - job_name: ramferry\n    static_configs: [{ targets: ['${target}'] }]\n`,
    );
    const port = await freePort();
    const prometheus = spawn(
      'prometheus',
      [
        `--config.file=${at}/prometheus.yml`,
        `--storage.tsdb.path=${at}/tsdb`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    );
    killLater(prometheus);
    const expression = 'changes(ramferry_migration_data_processed_bytes{migration="web1",side="source"}[1m])';
    const query = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
    let changes = 0;
    while (changes < 2 && command.process.exitCode === null) {
      await setTimeout(100);
      // It refuses queries while it starts.
      changes = await fetch(query)
        .then(resultOf)
        .catch(() => 0);
    }
    prometheus.kill('SIGKILL');
    command.kill();
    assert.ok(changes >= 2, `Prometheus saw no rising bytes: ${command.output}`);
  });
});

async function resultOf(response: Response): Promise<number> {
  const answer = (await response.json()) as { data?: { result?: { value: [number, string] }[] } };
  return Number(answer.data?.result?.[0]?.value[1] ?? 0);
}

describe('metrics of ramferry serve', LIMIT, () => {
  it('has a sample for each guest, by its name', async () => {
    const stream = Buffer.from(precopy(1, 3, 200).bytes);
    const [prom, links] = [`${at}/serve.prom`, directory()];
    execFileSync('mkdir', [`${links}/in`, `${links}/out`]);
    const common = ['serve', '--json'];
    const config = `${links}/serve.conf`;
    fs.writeFileSync(config, `incoming = unix:${links}/in/{name}.sock\nmetrics = ${prom}\n`);
    const destination = new Command([...common, '--config', config, '--listen', `unix:${links}/link`]);
    await destination.says(/"listening"/);
    const source = new Command([
      ...[...common, '--outgoing', `unix-listen:${links}/out/{name}.sock`, '--connect', `unix:${links}/link`],
      ...['--guest', 'web1', '--metrics-listen', '127.0.0.1:0'],
    ]);
    after(() => {
      destination.kill();
      source.kill();
    });
    const [, url] = await source.says(/"message_type":"metrics","url":"([^"]+)"/);
    const arrived = arriving(`${links}/in/web1.sock`);
    (await leaving(`${links}/out/web1.sock`)).end(stream);
    assert.ok((await arrived).equals(stream));
    await source.says(/"message_type":"transfer"/);
    await destination.says(/"message_type":"transfer"/);
    const scraped = samplesOf(await (await fetch(url!)).text());
    destination.process.kill('SIGTERM');
    assert.equal((await destination.ended).status, 0);
    const written = samplesIn(prom);
    for (const [samples, side] of [
      [scraped, 'source'],
      [written, 'destination'],
    ] as const) {
      assert.equal(samples.get(metric('succeeded', side)), 1, side);
      assert.equal(samples.get(metric('data_processed_bytes', side)), stream.length, side);
    }
  });
});
