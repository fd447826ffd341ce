// The work of scripts/demo: makes an image of a guest's RAM, moves it between two processes of the command line, compares
// what arrived, and prints both ways side by side as QEMU's docs/multi-thread-compression.txt does.
// Leaves nothing behind, whatever happens.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { RamferryError, writeImage } from '../dist/src/index.js';
import { formatComparison } from '../dist/src/report/comparison.js';
import { busyLines } from '../dist/src/report/host-load.js';
import { watchHostLoad } from '../dist/src/os/host-load.js';
import { formatSize, parseRate, parseSize } from '../dist/src/units.js';

const MAIN = join(import.meta.dirname, '../bundle/src/cli/main.js');
const PROFILES = ['idle', 'busy'];
const WAYS = [
  { title: 'without compression', options: ['--compress-level', '0'] },
  { title: 'with compression', options: [] },
];

const children = new Set();

/** Runs the command line; every line of JSON goes to onLine. Resolves with the last one, rejects with its message. */
function ramferry(args, onLine = () => undefined) {
  const child = spawn(process.execPath, [MAIN, ...args, '--json', '--quiet'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let rest = '';
  let last;
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) onLine((last = JSON.parse(line)));
  });
  let problems = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (problems += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      children.delete(child);
      if (status === 0) resolve(last);
      else reject(new Error(`ramferry ${args[0]} ended with status ${status}: ${lastMessage(problems)}`));
    });
  });
}

/** What the last JSON line on stderr says; all of it when it is no JSON. */
function lastMessage(problems) {
  try {
    const { code, message } = JSON.parse(problems.trimEnd().split('\n').at(-1));
    return `${code}: ${message}`;
  } catch {
    return problems;
  }
}

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Source and destination are processes of their own; resolves with the source's summary. */
async function migrate(image, restored, rate, options) {
  let listening;
  const address = new Promise((resolve) => (listening = resolve));
  const received = ramferry(['receive', 'tcp-listen:0', restored], (line) => {
    if (line.message_type === 'listening') listening(line.address);
  });
  const sent = Promise.race([address, received]).then((to) =>
    ramferry(['send', image, to.replace('tcp-listen:', 'tcp:'), '--max-bandwidth', rate, ...options]),
  );
  const [summary] = await Promise.all([sent, received]);
  return summary;
}

async function demonstrate(profile, directory, bytes, rate) {
  const image = join(directory, `${profile}.ram`);
  await writeImage(image, { bytes, seed: 1, profile });
  const expected = await sha256(image);
  const columns = [];
  for (const { title, options } of WAYS) {
    const restored = join(directory, 'restored.ram');
    columns.push({ title, summary: await migrate(image, restored, rate, options) });
    if ((await sha256(restored)) !== expected)
      throw new Error(`${profile}, ${title}: the restored memory differs`);
    await rm(restored);
  }
  await rm(image);
  process.stdout.write(
    `\nGuest: ${profile}, ${formatSize(bytes)}; link: ${rate}\n${formatComparison(columns)}\n` +
      `Restored twice, identical: sha256 ${expected}\n`,
  );
  return { profile, plain: columns[0].summary, compressed: columns[1].summary };
}

/** What was gained, in one sentence: the guests' times and bytes with compression beside those without. */
function gained(guests) {
  const parts = guests.map(({ profile, plain, compressed }) => {
    const time = `${(compressed['total-time'] / 1e3).toFixed(2)} s instead of ${(plain['total-time'] / 1e3).toFixed(2)} s`;
    const bytes = `${((compressed.ram.transferred / plain.ram.transferred) * 100).toFixed(0)} % of the bytes`;
    return `the ${profile} guest in ${time} with ${bytes}`;
  });
  return `With compression ${parts.join(', and ')} over a link of ${rate}.`;
}

function stop(status) {
  for (const child of children) child.kill();
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
  for (const line of busyLines(watched())) process.stdout.write(`\n${line}\n`);
  process.stdout.write(`\n${gained(guests)}\n`);
} catch (error) {
  process.stderr.write(
    `scripts/demo: ${error instanceof RamferryError ? error.describe() : error.message}\n`,
  );
  stop(process.exitCode ?? 1);
} finally {
  await rm(directory, { recursive: true, force: true });
}
