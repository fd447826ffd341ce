// Efficiency, the key figure: the engine's throughput divided by that of bare threads, which only read their extents and
// call the same codec (bare-worker.ts). Both have the same process, image and number of threads, and take turns.
//
// Both are measured in their steady state. The clock starts after a number of chunks, when every thread runs compiled
// code, and stops before the last few chunks. Start-up is left out on both sides, and so are the last chunks, which do not
// occupy all threads. The engine counts a chunk when its record leaves for the output, in order. The bare threads count
// it when the codec returns.

import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { median } from 'simple-statistics';

import type { CodecName } from '../../src/codec/codec.js';
import { bindingInfo } from '../../src/codec/registry.js';
import { NativeOutlet } from '../../src/container/native-outlet.js';
import type { Outlet } from '../../src/container/outlet.js';
import { GRAMMAR_ID } from '../../src/grammar/grammar.js';
import { RawGrammar } from '../../src/grammar/raw.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import { layOutPlan } from '../../src/transfer/plan/transfer-plan.js';
import { Sender } from '../../src/transfer/sender/sender.js';
import { Statistics } from '../../src/transfer/statistics/statistics.js';
import { GIB } from '../../src/units.js';
import type { BareStartUp } from './bare-worker.js';
import { allocateMarks, type MarkMemory, type Stretch, stretch, takeMark } from '../support/marks.js';
import { type BenchContext, type Cell, round, type Suite } from '../support/suite.js';

const CHUNK_SIZE = 1024 * 1024;
const MEMORY_LIMIT = 256 * 1024 * 1024;
const PAIRS = 7;
/** Chunks at the end that are not measured: more than can be in flight. */
const LAST_CHUNKS = 16;

interface Load {
  readonly image: string;
  readonly chunks: number;
  readonly threads: number;
  readonly codec: CodecName;
  readonly level: number;
  /** Numbers of chunks after which the clock starts and stops. */
  readonly from: number;
  readonly to: number;
}

function loadOf(image: string, threads: number, codec: CodecName): Load {
  const chunks = Math.floor(statSync(image).size / CHUNK_SIZE);
  const from = Math.ceil(chunks / 8);
  const to = chunks - LAST_CHUNKS;
  if (to - from < LAST_CHUNKS) throw new Error('efficiency needs an image of at least 64 MiB');
  return { image, chunks, threads, codec, level: 1, from, to };
}

/** Runs threads that only read and compress. */
async function runBare(load: Load): Promise<Stretch> {
  const marks = allocateMarks();
  const fd = openSync(load.image, 'r');
  const counters = new SharedArrayBuffer(8);
  const workerData: BareStartUp = { ...load, fd, chunkSize: CHUNK_SIZE, counters, marks };
  try {
    const threads = Array.from({ length: load.threads }, () => {
      const worker = new Worker(new URL('bare-worker.js', import.meta.url), { workerData });
      return new Promise<void>((resolve, reject) => {
        worker.once('error', reject);
        worker.once('exit', () => resolve());
      });
    });
    await Promise.all(threads);
  } finally {
    closeSync(fd);
  }
  return stretch(marks);
}

/** An outlet that reads the clocks when given numbers of chunks have left. */
class TimedOutlet extends NativeOutlet {
  #departed = 0;

  constructor(
    private readonly load: Load,
    private readonly marks: MarkMemory,
  ) {
    super({
      grammar: GRAMMAR_ID.raw,
      maxChunk: CHUNK_SIZE,
      window: 1,
      storeBytes: 0,
      totalLength: load.chunks * CHUNK_SIZE,
    });
  }

  override depart(slot: Parameters<Outlet['depart']>[0]): ReturnType<Outlet['depart']> {
    const departure = super.depart(slot);
    this.#departed++;
    if (this.#departed === this.load.from) takeMark(this.marks, 0);
    if (this.#departed === this.load.to) takeMark(this.marks, 1);
    return departure;
  }
}

/** Runs the engine in the configuration of `send`, into a file. */
async function runEngine(load: Load, input: string, output: string): Promise<Stretch> {
  const marks = allocateMarks();
  const source = (await openInput(parseAddress(input), { ioTimeout: 0 })).source!;
  const sink = (await openOutput(parseAddress(output), { force: true, sync: false })).sink!;
  const { threads, codec, level } = load;
  const codecBytes = bindingInfo(codec).memoryPerThread(level, CHUNK_SIZE);
  const plan = layOutPlan({
    stream: { kind: 'raw', grammar: 'raw', byExtents: source.file !== undefined },
    coding: { codec, level, chunkSize: CHUNK_SIZE, threads, codecBytes },
    container: { kind: 'native' },
    memoryLimit: MEMORY_LIMIT,
  });
  const grammar = source.file === undefined ? new RawGrammar() : undefined;
  const outlet = new TimedOutlet(load, marks);
  const sender = new Sender(plan, { source, sink, grammar, outlet }, { statistics: new Statistics() });
  try {
    await sender.run();
    await sink.finish();
  } catch (thrown) {
    await sink.abort();
    throw thrown;
  } finally {
    await source.close();
    rmSync(output, { force: true });
  }
  return stretch(marks);
}

async function compare(load: Load, input: string, output: string, pairs: number): Promise<Cell[]> {
  const bytes = (load.to - load.from) * CHUNK_SIZE;
  const found: { ratio: number; engine: Stretch; bare: Stretch }[] = [];
  // Warm-up. The host of a virtual machine may allocate memory only at the first write, at a tenth of the speed. Only the
  // engine writes a file, so without a warm-up only the engine would pay for that.
  await runEngine(load, input, output);
  for (let pair = 0; pair < pairs; pair++) {
    // The two take turns at going first.
    const run = {
      engine: () => runEngine(load, input, output),
      bare: () => runBare(load),
    };
    const order = pair % 2 === 0 ? (['engine', 'bare'] as const) : (['bare', 'engine'] as const);
    const result = {} as Record<'engine' | 'bare', Stretch>;
    for (const who of order) result[who] = await run[who]();
    found.push({ ...result, ratio: result.bare.seconds / result.engine.seconds });
  }
  const speed = (who: 'engine' | 'bare'): number =>
    round(median(found.map((each) => bytes / each[who].seconds / 1e6)));
  const cpu = (who: 'engine' | 'bare'): number =>
    round(median(found.map((each) => (each[who].cpuSeconds / bytes) * GIB)), 2);
  const ratios = found.map(({ ratio }) => ratio);
  return [
    round(median(ratios), 3),
    `${round(Math.min(...ratios), 2)} to ${round(Math.max(...ratios), 2)}`,
    speed('engine'),
    speed('bare'),
    cpu('engine'),
    cpu('bare'),
  ];
}

const INPUTS = ['file', 'pipe'] as const;
const CODECS = ['zstd', 'lz4'] as const;
const THREADS = [1, 2];
const CASES = INPUTS.flatMap((input) =>
  CODECS.flatMap((codec) =>
    THREADS.map((threads) => ({ name: `${input}-${codec}-${threads}`, input, codec, threads })),
  ),
);

export const efficiency: Suite = {
  name: 'efficiency',
  summary: "the engine's speed over that of threads that only read and compress",
  cases: CASES.map(({ name }) => name),
  run: async (context: BenchContext) => {
    const rows: Cell[][] = [];
    const output = join(context.scratch, 'efficiency.rfy');
    const { image } = context;
    const address = { file: image, pipe: `exec:cat ${shellQuoted(image)}` };
    for (const { name, input, codec, threads } of CASES) {
      if (!context.wants(name)) continue;
      const figures = await compare(loadOf(image, threads, codec), address[input], output, PAIRS);
      rows.push([input, codec, threads, ...figures]);
    }
    context.report({
      title: 'Efficiency of the engine',
      columns: [
        'input',
        'codec',
        'threads',
        'efficiency',
        'range',
        'engine MB/s',
        'bare MB/s',
        'engine CPU s/GiB',
        'bare CPU s/GiB',
      ],
      rows,
      note: `median of ${PAIRS} pairs that take turns; level 1, chunks of 1 MiB, output to a file, start-up excluded; CPU of a command that feeds the pipe is not counted`,
    });
  },
};

function shellQuoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
