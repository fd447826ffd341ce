// The soak of `ramferry serve` under TLS: rounds of 50 guests at once while ten hostile connections a second arrive. Each guest must
// arrive byte for byte, in shares that are fair, and both servers must stay as they were after the first round.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';

import { scratchDirectory } from '../../lab/cleanup.js';
import { Command, ramferry } from '../../lab/command.js';
import { freePort } from '../../lab/free-port.js';
import { recordingPath } from '../../lab/places.js';
import { generateImage } from '../../src/image/image.js';

const GUESTS = 50;
const GUEST_BYTES = 32 * 2 ** 20;
/** So many contents; guests take them in turn. */
const IMAGES = 16;
/** Bytes at the start and at the end of a guest, while what it has in flight grows and shrinks. */
const SETTLED_BYTES = 4 * 2 ** 20;
const HOSTILE_EVERY_MS = 100;
/** Largest share over smallest. */
const FAIR = 1.2;
const ROUND_MS = 300_000;
/** Rounds after which every slot has been used: memory that a server keeps for the next transfers. Measured: it grew for three. */
const FILLING_ROUNDS = 3;
/** A server's resident memory may vary by so much between rounds: V8 collects when it likes. */
const MEMORY_SLACK = 48 * 2 ** 20;
const CERTIFICATES = new URL('../../../scripts/make-test-certs', import.meta.url).pathname;
/** Recordings that are cut into guests, where they are at hand. */
const RECORDINGS = ['busy-512m-t0.ram', 'idle-256m.ram'];

interface Held {
  readonly memory: number;
  readonly descriptors: number;
  readonly threads: number;
}

/** Of both servers. */
interface Both {
  readonly source: Held;
  readonly destination: Held;
}

interface Image {
  readonly bytes: Buffer;
  readonly sum: string;
}

interface Stage {
  readonly at: string;
  readonly port: number;
  readonly source: Command;
  readonly destination: Command;
}

/** Bytes of one guest: a stretch of a recording, or generated pages of which a third does not shrink. */
function guestBytes(number: number): Buffer {
  const recording = RECORDINGS.map(recordingPath).find(existsSync);
  if (recording !== undefined) {
    const bytes = Buffer.alloc(GUEST_BYTES);
    const fd = openSync(recording, 'r');
    const places = Math.floor(statSync(recording).size / GUEST_BYTES);
    readSync(fd, bytes, 0, GUEST_BYTES, (number % places) * GUEST_BYTES);
    closeSync(fd);
    return bytes;
  }
  const third = Math.floor(GUEST_BYTES / 3 / 4096) * 4096;
  const pages = [...generateImage({ bytes: GUEST_BYTES - third, seed: number, profile: 'busy' })];
  return Buffer.concat([...pages, randomBytes(third)]);
}

async function open(at: string): Promise<Stage> {
  for (const name of ['in', 'out']) mkdirSync(join(at, name));
  const creds = ['--tls-creds', join(at, 'certs/good')];
  const common = ['serve', '--json', '--max-transfers', String(GUESTS), '--memory-limit', '4GiB', ...creds];
  const port = await freePort();
  const destination = new Command(
    ramferry(...common, '--incoming', `unix:${at}/in/{name}.sock`, '--listen', `tcp:127.0.0.1:${port}`),
  );
  await destination.listening();
  const guests = Array.from({ length: GUESTS }, (_, number) => ['--guest', `g${number}`]).flat();
  const outgoing = ['--outgoing', `unix-listen:${at}/out/{name}.sock`, '--connect', `tcp:127.0.0.1:${port}`];
  const source = new Command(ramferry(...common, ...outgoing, '--tls-hostname', 'localhost', ...guests));
  const last = join(at, 'out', `g${GUESTS - 1}.sock`);
  while (!existsSync(last)) await sleep(20);
  return { at, port, source, destination };
}

/** One guest: what leaves, and how much of it has arrived. */
class Guest {
  readonly arrived: Promise<string>;
  readonly #hash = createHash('sha256');
  delivered = 0;

  constructor(at: string, name: string, bytes: Buffer) {
    const path = join(at, 'in', `${name}.sock`);
    this.arrived = new Promise((resolve, reject) => {
      const hypervisor = net.createServer({ allowHalfOpen: true }, (socket) => {
        hypervisor.close();
        socket.on('data', (part: Buffer) => {
          this.delivered += part.length;
          this.#hash.update(part);
        });
        socket.on('error', reject).on('end', () => {
          socket.end();
          resolve(this.#hash.digest('hex'));
        });
      });
      hypervisor.on('error', reject).listen(path, () => {
        const leaving = net.connect({ path: join(at, 'out', `${name}.sock`), allowHalfOpen: true });
        leaving
          .on('error', reject)
          .on('connect', () => leaving.end(bytes))
          .resume();
      });
    });
  }
}

/** What a scanner does: nothing, another protocol, noise, half a TLS, a TLS without a certificate. */
function hostile(port: number, number: number): void {
  const quiet = (socket: net.Socket): net.Socket => {
    setTimeout(() => socket.destroy(), 3_000).unref();
    return socket.on('error', () => undefined);
  };
  const to = { host: '127.0.0.1', port };
  const kind = number % 5;
  if (kind === 4) {
    quiet(tls.connect({ ...to, rejectUnauthorized: false }));
    return;
  }
  const socket = quiet(net.connect(to));
  if (kind === 1) socket.write('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n');
  if (kind === 2) socket.write(randomBytes(4096));
  if (kind === 3) socket.once('connect', () => socket.resetAndDestroy());
}

/**
 * Largest share over smallest of what arrived while every guest was running. The time begins when the first chunks of the last guest have
 * arrived: bytes of the others that were in flight before it came are no share of that time. It ends before the last chunks of the first
 * guest, behind which nothing is in flight.
 */
async function fairness(guests: readonly Guest[], bytes: number): Promise<number | undefined> {
  while (guests.some(({ delivered }) => delivered < SETTLED_BYTES)) {
    if (guests.some(({ delivered }) => delivered >= bytes)) return undefined;
    await sleep(2);
  }
  const before = guests.map(({ delivered }) => delivered);
  let now = before;
  for (;;) {
    await sleep(2);
    const next = guests.map(({ delivered }) => delivered);
    if (next.some((each) => each > bytes - SETTLED_BYTES)) break;
    now = next;
  }
  const shares = now.map((each, index) => each - before[index]!);
  return Math.max(...shares) / Math.min(...shares);
}

/** The longest of the last transfers over their median, each from its admission to its end, as the server says. */
function slowestOf(output: string): number {
  const times = output
    .split('\n')
    .filter((line) => line.includes('"message_type":"transfer"'))
    .slice(-GUESTS)
    .map((line) => (JSON.parse(line) as { readonly duration: number }).duration)
    .sort((a, b) => a - b);
  return times.at(-1)! / times[times.length >> 1]!;
}

function held({ process: { pid } }: Command): Held {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]);
  return {
    memory: number('VmRSS') * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
  };
}

/** What has grown since the first round. */
function grown(first: Held, now: Held): string[] {
  return [
    ...(now.memory > first.memory + MEMORY_SLACK ? ['memory'] : []),
    ...(now.descriptors > first.descriptors ? ['descriptors'] : []),
    ...(now.threads > first.threads ? ['threads'] : []),
  ];
}

/** The same, with the memory of another moment. */
function withMemory(first: Both, { source, destination }: Both): Both {
  return {
    source: { ...first.source, memory: source.memory },
    destination: { ...first.destination, memory: destination.memory },
  };
}

async function round(
  stage: Stage,
  images: readonly Image[],
): Promise<{ wrong: number; fair: number | undefined; slowest: number; ms: number }> {
  const begun = performance.now();
  const guests = images.map(({ bytes }, number) => new Guest(stage.at, `g${number}`, bytes));
  const [arrived, fair] = await Promise.all([
    Promise.allSettled(
      guests.map((guest) => Promise.race([guest.arrived, sleep(ROUND_MS, 'late', { ref: false })])),
    ),
    fairness(guests, GUEST_BYTES),
  ]);
  const wrong = arrived.filter(
    (end, index) => end.status === 'rejected' || end.value !== images[index]!.sum,
  ).length;
  const slowest = slowestOf(stage.destination.output);
  return { wrong, fair, slowest, ms: performance.now() - begun };
}

const sumOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
/** Summed beforehand: in a round this process would do nothing else for a second. */
const imageOf = (bytes: Buffer): Image => ({ bytes, sum: sumOf(bytes) });
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const shown = ({ memory, descriptors, threads }: Held): string =>
  `${mib(memory)}, ${descriptors} descriptors, ${threads} threads`;

/** @returns how many things were not as they should be */
export async function soakServe(rounds: number): Promise<number> {
  const { path: at } = scratchDirectory();
  if (spawnSync(CERTIFICATES, [join(at, 'certs')], { stdio: 'ignore' }).status !== 0) {
    throw new Error('openssl is needed for the certificates');
  }
  const contents = Array.from({ length: IMAGES }, (_, number) => imageOf(guestBytes(number)));
  const images = Array.from({ length: GUESTS }, (_, number) => contents[number % IMAGES]!);
  const stage = await open(at);
  let strangers = 0;
  const scanning = setInterval(() => hostile(stage.port, strangers++), HOSTILE_EVERY_MS);
  let failed = 0;
  let first: Both | undefined;
  for (let number = 1; number <= rounds; number++) {
    const { wrong, fair, slowest, ms } = await round(stage, images);
    // Servers close what has ended, and the scanners' last connections go.
    await sleep(1_000);
    const now = { source: held(stage.source), destination: held(stage.destination) };
    first ??= now;
    if (number <= FILLING_ROUNDS) first = withMemory(first, now);
    const more = [
      ...grown(first.source, now.source).map((what) => `the source's ${what} have grown`),
      ...grown(first.destination, { ...now.destination, descriptors: 0 }).map(
        (what) => `the destination's ${what} have grown`,
      ),
      ...(wrong === 0 ? [] : [`${wrong} guests did not arrive`]),
      ...(fair !== undefined && fair > FAIR ? ['the shares are not fair'] : []),
      ...(slowest > FAIR ? ['the slowest took too long'] : []),
    ];
    failed += more.length;
    process.stdout.write(
      `${number}: ${GUESTS - wrong} of ${GUESTS} arrived in ${(ms / 1e3).toFixed(1)} s, shares ${fair?.toFixed(2) ?? '-'}, ` +
        `slowest ${slowest.toFixed(2)} of the median; ` +
        `source ${shown(now.source)}; destination ${shown(now.destination)}${more.map((what) => `; ${what}`).join('')}\n`,
    );
  }
  clearInterval(scanning);
  const refused = stage.destination.output.split('\n').filter((line) => line.includes('"warning"'));
  if (refused.length === 0) failed++;
  process.stdout.write(
    `soak: ${rounds} rounds, ${strangers} hostile connections, ${refused.length} lines about them, ${failed} failures\n`,
  );
  if (refused.length > 0) process.stdout.write(`  ${refused.at(-1)!}\n`);
  for (const each of [stage.source, stage.destination]) {
    each.process.kill('SIGTERM');
    if ((await each.ended).status !== 0) failed++;
  }
  return failed;
}
