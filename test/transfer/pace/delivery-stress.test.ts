// Many transfers over sockets of both kinds, streams of every grammar, both methods; the writer writes pieces of any size
// and rests, the reader reads slowly. All of them end, with the same bytes at the other end.
//
// RAMFERRY_STRESS: how many (default 24). RAMFERRY_STREAMS: a directory of recorded streams; pieces of them take turns
// with the synthetic ones.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';

import type { SendOptions } from '../../../src/options/transfer.js';
import { MIB } from '../../../src/units.js';
import { precopy } from '../../grammar/support/qemu-streams.js';
import { random, range, XenStream } from '../../grammar/support/xen-streams.js';
import { image } from '../support/carry.js';
import { line } from '../support/line.js';
import { soundStreams } from '../support/streams-corpus.js';

const TIMES = Number(process.env['RAMFERRY_STRESS'] ?? 24);
const RECORDED = process.env['RAMFERRY_STREAMS'];

interface Load {
  readonly name: string;
  readonly format: NonNullable<SendOptions['format']>;
  readonly bytes: Buffer;
}

/** Larger than what may be on its way at first: the window closes. */
function longStreams(): Load[] {
  const xen = new XenStream().image();
  for (let batch = 0; batch < 4; batch++) xen.pageData(range(batch * 100, 100));
  return [
    { name: 'a long QEMU stream', format: 'auto', bytes: precopy(5, 3, 400).bytes },
    { name: 'a long Xen stream', format: 'auto', bytes: xen.end().bytes() },
    { name: 'RAM', format: 'raw', bytes: image(2 * MIB) },
    { name: 'RAM of no format', format: 'opaque', bytes: image(2 * MIB, 'idle').subarray(77) },
  ];
}

/** The beginning of each recorded stream, and of a RAM image any part. */
function recorded(directory: string, next: () => number): Load[] {
  return readdirSync(directory).map((name) => {
    const file = path.join(directory, name);
    const raw = name.endsWith('.ram');
    const bytes = Buffer.alloc((256 + (next() % 1000)) * 4096);
    const pages = Math.floor((statSync(file).size - bytes.length) / 4096);
    const fd = openSync(file, 'r');
    readSync(fd, bytes, 0, bytes.length, raw ? (next() % pages) * 4096 : 0);
    closeSync(fd);
    return { name, format: raw ? 'raw' : 'auto', bytes };
  });
}

async function rest(next: () => number): Promise<void> {
  const [kind, time] = [next() % 8, next() % 12];
  if (kind === 0) await setTimeout(time);
  else if (kind < 4) await setImmediate();
}

async function write(socket: net.Socket, bytes: Buffer, largest: number, next: () => number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + 1 + (next() % largest));
    at += piece.length;
    if (!socket.write(piece)) await once(socket, 'drain');
    await rest(next);
  }
  socket.end();
}

/** Everything up to the end. */
async function read(socket: net.Socket, slow: boolean, next: () => number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const piece of socket) {
    parts.push(piece as Buffer);
    if (slow) await rest(next);
  }
  return Buffer.concat(parts);
}

/** A few of them are of every grammar already. */
function chosen(seed: number, loads: readonly Load[]): Load {
  return loads[(seed * 13) % loads.length]!;
}

async function transfer(seed: number, loads: readonly Load[]): Promise<void> {
  const next = random(seed);
  const any = <T>(...from: readonly T[]): T => from[next() % from.length]!;
  const { format, bytes } = chosen(seed, loads);
  const method = any('xenguest', 'stream');
  const all = await line({
    kind: any('unix', 'tcp'),
    oneWay: next() % 8 === 0,
    sending: {
      format,
      method,
      chunkSize: any(65_536, 131_072, 1_048_576),
      compressThreads: any(1, 2, 4),
      flushAfter: any(1, 5, 50),
      ...(next() % 2 === 0 ? { codec: any('zstd', 'lz4', 'zlib') } : {}),
      ...(next() % 4 === 0 ? { adaptive: true } : {}),
    },
    receiving: { decompressThreads: any(1, 2, 4) },
  });
  // The reader's socket is read by hand here.
  all.reader.socket.removeAllListeners('data');
  // Some hundred pieces at the most, beside those of one byte where the stream has no more.
  const largest = Math.max(1, Math.ceil((bytes.length * 2) / any(10, 50, 300)));
  const [, arrived, [sent, received]] = await Promise.all([
    write(all.writer.socket, bytes, largest, next),
    read(all.reader.socket, next() % 3 > 0, next).finally(() => all.reader.socket.end()),
    all.ended,
  ]);
  all.writer.socket.destroy();
  assert.ok(arrived.equals(bytes), `${arrived.length} of ${bytes.length} bytes, or others`);
  assert.equal(sent.status, 'completed');
  assert.equal(received.status, 'completed');
}

describe('a transfer over sockets ends', { timeout: 120_000 + TIMES * 10_000 }, () => {
  const sound = soundStreams().map(({ name, kind, bytes }): Load => {
    return { name, format: kind === 'opaque' ? 'opaque' : 'auto', bytes };
  });
  const long = longStreams();
  // As many long ones as short ones.
  const loads = sound.flatMap((each, index) => [each, long[index % long.length]!]);
  for (let seed = 0; seed < TIMES; seed++) {
    const mine = RECORDED === undefined || seed % 2 === 0 ? loads : recorded(RECORDED, random(seed));
    it(`number ${seed}: ${chosen(seed, mine).name}`, { timeout: 60_000 }, () => transfer(seed, mine));
  }
});
