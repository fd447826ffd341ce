// Speed of each codec × binding in one thread: benchmark.js suites over chunks of a real guest image.
// Zero pages are removed first, as in the pipeline, where codecs get none. Run: node dist/bench/codec/codecs.js IMAGE

import Benchmark from 'benchmark';
import { closeSync, openSync, readSync } from 'node:fs';
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import type { BindingInfo } from '../../src/codec/codec.js';
import { Reclaimer } from '../../src/codec/reclaim.js';
import { listBindings } from '../../src/codec/features.js';
import { openCodec } from '../../src/codec/registry.js';
import { PAGE_BYTES } from '../../src/page/size.js';

const CHUNK = 1024 * 1024;
/** Chunks of one iteration: more than the processor's caches hold, few enough for a short iteration. */
const CHUNKS = 32;

/** Names of a suite's tests. */
const TESTS = ['compress', 'decompress'] as const;
type TestName = (typeof TESTS)[number];

/** One suite: a binding at a level. */
export interface CodecSuite {
  readonly info: BindingInfo;
  readonly level: number;
  readonly suite: Benchmark.Suite;
  /** Least processor time of an iteration in µs, all threads together; Infinity before the suite has run. */
  readonly cpu: Readonly<Record<TestName, number>>;
  /** Uncompressed bytes of one iteration: hz × bytes is the speed. */
  readonly bytes: number;
  /** Uncompressed through compressed bytes. */
  readonly ratio: number;
}

/**
 * Suites for every binding that runs here, on up to 32 chunks of 1 MiB from the whole of `image`. Their data are made at
 * once; they run when `suite.run({ async: true })` is called.
 */
export async function codecSuites(image: string): Promise<CodecSuite[]> {
  const chunks = nonZeroChunks(image);
  const suites: CodecSuite[] = [];
  for (const info of listBindings()) {
    for (const level of levelsOf(info)) suites.push(await suiteFor(info, level, chunks));
  }
  return suites;
}

function levelsOf({ codec, levels }: BindingInfo): number[] {
  if (!levels.effective) return [1];
  return codec === 'zstd' ? [-7, 1, 3, 9] : [1, 6];
}

async function suiteFor(
  info: BindingInfo,
  level: number,
  chunks: readonly Uint8Array[],
): Promise<CodecSuite> {
  const codec = openCodec(info.codec, { binding: info.binding });
  const room = sharedBytes(CHUNK * 2);
  const encoded: Uint8Array[] = [];
  for (const chunk of chunks) {
    const length = await codec.compress(room, chunk, level);
    encoded.push(sharedBytes(length, room));
  }
  const bytes = chunks.length * CHUNK;
  const suite = new Benchmark.Suite(`${info.codec} ${info.binding} ${level}`);
  const cpu = { compress: Infinity, decompress: Infinity };
  const work = {
    compress: () => each(info, chunks, (chunk) => codec.compress(room, chunk, level)),
    decompress: () => each(info, encoded, (chunk) => codec.decompress(room.subarray(0, CHUNK), chunk)),
  };
  for (const name of TESTS) {
    const iteration = async () => {
      const before = process.cpuUsage();
      await work[name]();
      const { user, system } = process.cpuUsage(before);
      cpu[name] = Math.min(cpu[name], user + system);
    };
    const fn = (handle: { resolve: () => void }) => void iteration().then(() => handle.resolve());
    suite.add(name, { defer: true, minSamples: 5, maxTime: 0.5, fn });
  }
  suite.on('complete', () => codec.close());
  const ratio = bytes / encoded.reduce((sum, { length }) => sum + length, 0);
  return { info, level, suite, cpu, bytes, ratio };
}

/** Yields to the event loop as a worker does, so that returned buffers can be freed. */
async function each(
  info: BindingInfo,
  inputs: readonly Uint8Array[],
  work: (input: Uint8Array) => unknown,
): Promise<void> {
  // The command sets the same flag (src/cli/process/v8-flags.ts).
  v8.setFlagsFromString('--expose-gc');
  const reclaimer = new Reclaimer();
  for (const input of inputs) {
    const done = work(input);
    if (info.asynchronous) await done;
    if (info.returnsBuffers) await reclaimer.used(input.length);
  }
}

function nonZeroChunks(image: string): Uint8Array[] {
  const zero = Buffer.alloc(PAGE_BYTES);
  const file = openSync(image, 'r');
  try {
    const piece = Buffer.alloc(CHUNK);
    const all: Uint8Array[] = [];
    let chunk = sharedBytes(CHUNK);
    let filled = 0;
    for (let at = 0; ; at += CHUNK) {
      const length = readSync(file, piece, 0, CHUNK, at);
      if (length < CHUNK) break;
      for (let page = 0; page < CHUNK; page += PAGE_BYTES) {
        const bytes = piece.subarray(page, page + PAGE_BYTES);
        if (bytes.equals(zero)) continue;
        chunk.set(bytes, filled);
        filled += PAGE_BYTES;
        if (filled < CHUNK) continue;
        all.push(chunk);
        chunk = sharedBytes(CHUNK);
        filled = 0;
      }
    }
    // Every n-th chunk, since the start of an image is the kernel and its middle the page cache.
    const step = Math.max(1, Math.floor(all.length / CHUNKS));
    return all.filter((_, i) => i % step === 0).slice(0, CHUNKS);
  } finally {
    closeSync(file);
  }
}

function sharedBytes(length: number, from?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  if (from !== undefined) bytes.set(from.subarray(0, length));
  return bytes;
}

function run(suite: Benchmark.Suite): Promise<void> {
  return new Promise((resolve, reject) => {
    suite.on('complete', () => resolve());
    suite.on('error', () => reject(new Error('a benchmark failed')));
    suite.run({ async: true });
  });
}

/** Speeds of the fastest samples. On a shared machine, slower samples measure other programs. */
function wallSpeeds({ suite, bytes }: CodecSuite): number[] {
  const speeds: number[] = [];
  suite.forEach((test: Benchmark) => speeds.push(bytes / Math.min(...(test.stats.sample as number[])) / 1e6));
  return speeds;
}

async function main(image: string): Promise<void> {
  console.log(
    `Node ${process.version}, ${cpus().length} CPUs; ${CHUNKS} chunks of 1 MiB without zero pages\n`,
  );
  console.log(
    '| codec | binding | level | ratio | compress | decompress | compress, wall | decompress, wall |',
  );
  console.log('|---|---|--:|--:|--:|--:|--:|--:|');
  for (const result of await codecSuites(image)) {
    await run(result.suite);
    const { info, level, ratio, bytes, cpu } = result;
    const speeds = [...TESTS.map((name) => bytes / cpu[name]), ...wallSpeeds(result)].map(Math.round);
    console.log(`| ${[info.codec, info.binding, level, ratio.toFixed(2), ...speeds].join(' | ')} |`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const image = process.argv[2];
  if (image === undefined) {
    console.error('usage: node dist/bench/codec/codecs.js IMAGE');
    process.exitCode = 2;
  } else {
    await main(image);
  }
}
