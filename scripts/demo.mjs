// The work of scripts/demo: makes an image of a guest's RAM, moves it between two processes of the command line, compares
// what arrived, and prints both ways side by side as QEMU's docs/multi-thread-compression.txt does.
// Leaves nothing behind, whatever happens.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { RamferryError, writeImage } from '../dist/src/index.js';
import { busyLines } from '../dist/src/report/host-load.js';
import { summaryRows } from '../dist/src/report/summary.js';
import { paragraph, sideBySide } from '../dist/src/report/table.js';
import { CommandProcess } from '../dist/src/os/process/command-process.js';
import { watchHostLoad } from '../dist/src/os/processor/host-load.js';
import { formatSize, parseRate, parseSize } from '../dist/src/units.js';

const MAIN = join(import.meta.dirname, '../bundle/src/cli/main.js');
const PROFILES = ['idle', 'busy'];
const WAYS = [
  { title: 'without compression', options: ['--compress-level', '0'] },
  { title: 'with compression', options: [] },
];

const children = new Set();

/** Starts the command line. Its name stands in messages. */
function ramferry(...args) {
  const child = new CommandProcess([process.execPath, MAIN, ...args, '--json', '--quiet'], {
    name: `ramferry ${args[0]}`,
  });
  children.add(child);
  void child.ended.catch(() => undefined).then(() => children.delete(child));
  return child;
}

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Source and destination are processes of their own; resolves with the source's summary. */
async function migrate(image, restored, rate, options) {
  const receiver = ramferry('receive', 'tcp-listen:0', restored);
  const { address } = await receiver.line('listening');
  const to = address.replace('tcp-listen:', 'tcp:');
  const sender = ramferry('send', image, to, '--max-bandwidth', rate, ...options);
  const [summary] = await Promise.all([sender.summary(), receiver.summary()]);
  return summary;
}

/** A summary of the command line as the library names its fields. */
function camelKeys(value) {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (typeof value !== 'object' || value === null) return value;
  const camel = (key) => key.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [camel(key), camelKeys(each)]));
}

async function demonstrate(profile, directory, bytes, rate) {
  const image = join(directory, `${profile}.ram`);
  await writeImage(image, { bytes, seed: 1, profile });
  const expected = await sha256(image);
  const columns = [];
  for (const { title, options } of WAYS) {
    const restored = join(directory, 'restored.ram');
    const summary = await migrate(image, restored, rate, options);
    columns.push({ title, summary, rows: summaryRows(camelKeys(summary)) });
    if ((await sha256(restored)) !== expected)
      throw new Error(`${profile}, ${title}: the restored memory differs`);
    await rm(restored);
  }
  await rm(image);
  process.stdout.write(
    `\nGuest: ${profile}, ${formatSize(bytes)}; link: ${rate}\n${sideBySide(columns)}\n` +
      `Restored twice, identical:\nsha256 ${expected}\n`,
  );
  return { profile, plain: columns[0].summary, compressed: columns[1].summary };
}

/** What was gained: the guests' times and bytes with compression beside those without, a line each. */
function gained(guests) {
  const parts = guests.map(({ profile, plain, compressed }) => {
    const time = `${(compressed['total-time'] / 1e3).toFixed(2)} s instead of ${(plain['total-time'] / 1e3).toFixed(2)} s`;
    const bytes = `${((compressed.ram.transferred / plain.ram.transferred) * 100).toFixed(0)} % of the bytes`;
    return `  the ${profile} guest took ${time}, with ${bytes}`;
  });
  return [`Over a link of ${rate}, with compression:`, ...parts].join('\n');
}

function stop(status) {
  for (const child of children) child.kill('SIGTERM');
  process.exitCode = status;
}

const [size = '512MiB', rate = '1gbit'] = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), 'ramferry-demo-'));
process.on('SIGINT', () => stop(130));
process.on('SIGTERM', () => stop(143));
try {
  const bytes = parseSize(size, 'size');
  parseRate(rate, 'rate');
  const watched = watchHostLoad();
  const guests = [];
  for (const profile of PROFILES) guests.push(await demonstrate(profile, directory, bytes, rate));
  for (const line of busyLines(watched())) process.stdout.write(`\n${paragraph(line)}\n`);
  process.stdout.write(`\n${gained(guests)}\n`);
} catch (error) {
  process.stderr.write(
    `scripts/demo: ${error instanceof RamferryError ? error.describe() : error.message}\n`,
  );
  stop(process.exitCode ?? 1);
} finally {
  await rm(directory, { recursive: true, force: true });
}
