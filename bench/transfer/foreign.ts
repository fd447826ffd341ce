// Output of other compressors, piped into `ramferry receive`: 4 GiB, read from a FIFO and compared with the input. No file
// of that size exists at any time. The suite shows identity and memory; seconds are those of compressor and receiver
// together.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { killLater } from '../../lab/cleanup.js';
import { ramferry } from '../../lab/command.js';
import { type Cell, round, type Suite } from '../support/suite.js';

const DEFAULT_BYTES = 4 * 1024 ** 3;
const PIECE = 1024 * 1024;
const LOOK_MS = 20;

/** Commands from standard input to standard output, by case. `-T2`, because -19 takes minutes even so. */
const COMPRESSORS: Readonly<Record<string, readonly string[]>> = {
  'zstd -1': ['zstd', '-1', '-c', '-q'],
  'zstd -19 --long': ['zstd', '-19', '--long', '-T2', '-c', '-q'],
  'zstd -9 --long': ['zstd', '-9', '--long', '-T2', '-c', '-q'],
  'zstd -T0': ['zstd', '-T0', '-c', '-q'],
  pzstd: ['pzstd', '-c', '-q'],
  'lz4 -1': ['lz4', '-1', '-c', '-q'],
  'lz4 -9 -BD': ['lz4', '-9', '-BD', '-c', '-q'],
  gzip: ['gzip', '-c'],
  pigz: ['pigz', '-c'],
};

export const foreign: Suite = {
  name: 'foreign',
  summary:
    'what zstd, pzstd, lz4, gzip and pigz write of 4 GiB, into receive: identical, peak memory (takes minutes)',
  cases: Object.keys(COMPRESSORS),
  run: async ({ image, scratch, size = DEFAULT_BYTES, wants, report }) => {
    const rows: Cell[][] = [];
    for (const [name, command] of Object.entries(COMPRESSORS)) {
      if (!wants(name)) continue;
      if (spawnSync('sh', ['-c', `command -v ${command[0]!}`]).status !== 0) {
        rows.push([name, 'not installed', '', '', '']);
        continue;
      }
      rows.push([name, ...(await carry(command, image, size, scratch))]);
    }
    report({
      title: 'Streams of other programs, through a pipe into receive',
      columns: ['program', 'identical', 'ratio', 'seconds', 'peak MiB of ramferry'],
      rows,
      note: `${round(size / 2 ** 20)} MiB of the image, from its start again where it ends; default settings`,
    });
  },
};

/** @returns identical, ratio, seconds, peak MiB */
async function carry(
  command: readonly string[],
  image: string,
  bytes: number,
  scratch: string,
): Promise<Cell[]> {
  const output = join(scratch, 'foreign.fifo');
  if (spawnSync('mkfifo', ['-m', '600', output]).status !== 0) throw new Error(`cannot make ${output}`);
  const started = performance.now();
  // The shell makes a pipe between the two, as for a user. Node would make a socket, on which receive sends answers.
  const script =
    'set -o pipefail; ' +
    `${words(command)} 3>&- | { echo $BASHPID >&3; exec 3>&-; exec ${words(ramferry('receive', '--json', '-', output))}; }`;
  const child = spawn('bash', ['-c', script], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  killLater(child);
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [input, stdout, stderr, channel] = child.stdio as unknown as [Writable, Readable, Readable, Readable];
  let said = '';
  for (const stream of [stdout, stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  }
  const [pid] = (await once(channel, 'data')) as [Buffer];
  let peak = NaN;
  const look = setInterval(() => (peak = peakOf(Number(pid)) ?? peak), LOOK_MS);
  try {
    const [identical, [status]] = await Promise.all([
      compare(createReadStream(output, { highWaterMark: PIECE }), image, bytes),
      ended,
      feed(input, image, bytes),
    ]);
    if (status !== 0) return [`no: status ${status}: ${said.trim()}`, '', '', ''];
    const seconds = (performance.now() - started) / 1e3;
    return [
      identical ? 'yes' : 'NO',
      round(bytes / transferred(said), 2),
      round(seconds, 1),
      round(peak / 2 ** 20),
    ];
  } finally {
    clearInterval(look);
    rmSync(output);
  }
}

async function feed(into: Writable, image: string, bytes: number): Promise<void> {
  const copies = function* (): Generator<Buffer> {
    // The stream keeps the memory until it has written it, so each piece is copied.
    for (const piece of pieces(image, bytes)) yield Buffer.from(piece);
  };
  // A compressor that ends early is detected by its exit status.
  await pipeline(copies, into).catch(() => undefined);
}

async function compare(output: Readable, image: string, bytes: number): Promise<boolean> {
  const expected = pieces(image, bytes);
  let rest: Buffer = Buffer.alloc(0);
  let same = true;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    for (let at = 0; same && at < chunk.length;) {
      if (rest.length === 0) rest = (expected.next().value as Buffer | undefined) ?? Buffer.alloc(0);
      const n = Math.min(rest.length, chunk.length - at);
      same = n > 0 && chunk.compare(rest, 0, n, at, at + n) === 0;
      rest = rest.subarray(n);
      at += n;
    }
  }
  return same && rest.length === 0 && expected.next().done === true;
}

/** The image, repeated up to `bytes`. Each piece is valid until the next is requested. */
function* pieces(image: string, bytes: number): Generator<Buffer, void> {
  const { size } = statSync(image);
  const fd = openSync(image, 'r');
  const piece = Buffer.allocUnsafe(PIECE);
  try {
    for (let done = 0; done < bytes;) {
      const got = readSync(fd, piece, 0, Math.min(PIECE, bytes - done, size - (done % size)), done % size);
      if (got === 0) throw new Error(`${image} has become shorter`);
      done += got;
      yield piece.subarray(0, got);
    }
  } finally {
    closeSync(fd);
  }
}

function transferred(said: string): number {
  const summary = said.split('\n').find((line) => line.includes('"message_type":"summary"')) ?? '{}';
  return (JSON.parse(summary) as { ram?: { transferred?: number } }).ram?.transferred ?? NaN;
}

/** The kernel's high-water mark of resident memory, bytes. */
function peakOf(pid: number): number | undefined {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined; // the process has just ended
  }
}

function words(command: readonly string[]): string {
  return command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}
