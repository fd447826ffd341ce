// Time to drain the data in flight when the guest pauses. A writer sends RAM as fast as ramferry reads it, and stops. The
// clock runs until the last byte has left the receiver. By hand, as root, on a quiet machine:
//
//   node dist/bench/transfer/drain.js --image FILE [--link 1gbit,100mbit] [--reader MBPS] [--runs 5] [-- OPTIONS OF SEND]
//
// The clock starts when the kernel has the writer's last byte, so the figure includes the buffer of that socket.
// --reader limits the destination's reads, in megabytes (10^6) a second, as with a busy hypervisor.

import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { Ferry } from '../../lab/ferry.js';
import { createNetwork } from '../../lab/network.js';

const PORT = 4445;
const PIECE = 262_144;
/** Duration of the writes. */
const WRITING_MS = 3000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    image: { type: 'string' },
    link: { type: 'string', default: '1gbit,100mbit' },
    reader: { type: 'string' },
    runs: { type: 'string', default: '5' },
  },
});
if (values.image === undefined) throw new Error('drain: which --image?');
const pace = values.reader === undefined ? Infinity : Number(values.reader) * 1000;
for (const link of values.link.split(',')) {
  const times: number[] = [];
  let rate = 0;
  for (let run = 0; run < Number(values.runs); run++) {
    const measured = await drain(values.image, link, pace, positionals);
    times.push(measured.milliseconds);
    rate = measured.rate;
  }
  const sorted = times.sort((one, other) => one - other).map((time) => time.toFixed(0));
  console.log(`${link}: ${sorted.join(', ')} ms (guest memory at ${(rate / 1e6).toFixed(0)} MB/s)`);
}

async function drain(
  image: string,
  link: string,
  bytesPerMillisecond: number,
  options: readonly string[],
): Promise<{ milliseconds: number; rate: number }> {
  const network = createNetwork(link);
  const directory = mkdtempSync(join(tmpdir(), 'ramferry-drain-'));
  const path = (name: string): string => join(directory, name);
  const server = net.createServer();
  const fd = openSync(image, 'r');
  try {
    server.listen(path('reader'));
    const arrival = read(server, bytesPerMillisecond);
    const to = `${network.address}:${PORT}`;
    const receive = new Ferry(['receive', `tcp-listen:${to}`, `unix:${path('reader')}`], network.destination);
    await receive.listening();
    const common = ['--format', 'raw', '--compress-threads', '2', ...options];
    const send = new Ferry(['send', `unix-listen:${path('writer')}`, `tcp:${to}`, ...common], network.source);
    await send.listening();
    const began = performance.now();
    const { stopped, bytes } = await write(path('writer'), fd);
    const ended = await arrival;
    for (const { status, output } of await Promise.all([send.ended, receive.ended])) {
      if (status !== 0) throw new Error(`drain: ${status}: ${output}`);
    }
    return { milliseconds: ended - stopped, rate: (bytes / (ended - began)) * 1000 };
  } finally {
    closeSync(fd);
    server.close();
    network.remove();
    rmSync(directory, { recursive: true });
  }
}

async function write(path: string, fd: number): Promise<{ stopped: number; bytes: number }> {
  const socket = net.connect(path);
  await once(socket, 'connect');
  const { size } = fstatSync(fd);
  const piece = Buffer.alloc(PIECE);
  const until = performance.now() + WRITING_MS;
  let bytes = 0;
  while (performance.now() < until) {
    // Whole pages from within the image, since its ends may be long runs of zero pages.
    readSync(fd, piece, 0, PIECE, (Math.floor(size / 4 / PIECE) * PIECE + bytes) % (size - PIECE));
    await new Promise<void>((taken) => socket.write(piece, () => taken()));
    bytes += PIECE;
  }
  socket.end();
  return { stopped: performance.now(), bytes };
}

/** Resolves with the time of the last byte. */
async function read(server: net.Server, bytesPerMillisecond: number): Promise<number> {
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const began = performance.now();
  let [bytes, last] = [0, began];
  for await (const piece of socket) {
    bytes += (piece as Buffer).length;
    last = performance.now();
    const ahead = bytes / bytesPerMillisecond - (last - began);
    if (ahead > 1) await sleep(ahead);
  }
  return last;
}
