// Levels for memory pages: bytes and processor time of both ends for zstd's own settings, for ours, and for others that were
// tried. All settings take turns on each body, and the least time of each counts, by the thread's own clock.

import { loadModule } from '../../src/codec/binding.js';
import { windowLogFor } from '../../src/codec/zstd-chunk.js';
import { zstdLibrary } from '../../src/codec/zstd-library.js';
import { ZSTD_PARAMETER, zstdSettings, type ZstdSettings } from '../../src/codec/zstd-parameters.js';
import { threadClock } from '../../src/os/processor/cpu-time.js';
import { KIB, MIB } from '../../src/units.js';
import { chunkBodies } from '../support/bodies.js';
import { type Cell, round, type Suite, type Table } from '../support/suite.js';

const ROUNDS = 5;
const BODIES = 8;
/** Smaller bodies have zstd's own settings. */
const LEAST_BYTES = 256 * KIB + 1;

/** An encoder with settings of its own, and a decoder. */
interface Coder {
  set(parameter: number, value: number): void;
  compress(dst: Uint8Array, src: Uint8Array): number;
  decompress(dst: Uint8Array, src: Uint8Array): void;
}

/** The part of `zstd-napi/binding` that this suite uses. */
interface Native {
  readonly CCtx: new () => {
    setParameter(parameter: number, value: number): void;
    compress2(dst: Uint8Array, src: Uint8Array): number;
  };
  readonly DCtx: new () => { decompress(dst: Uint8Array, src: Uint8Array): number };
}

function napiCoder(): Coder {
  const native = loadModule('zstd-napi/binding') as Native;
  const [encoder, decoder] = [new native.CCtx(), new native.DCtx()];
  return {
    set: (parameter, value) => encoder.setParameter(parameter, value),
    compress: (dst, src) => encoder.compress2(dst, src),
    decompress: (dst, src) => void decoder.decompress(dst, src),
  };
}

function systemCoder(): Coder {
  const { functions, result } = zstdLibrary();
  const encoder = functions.ZSTD_createCCtx();
  const decoder = functions.ZSTD_createDCtx();
  return {
    set: (parameter, value) => void result(functions.ZSTD_CCtx_setParameter(encoder, parameter, value)),
    compress: (dst, src) => result(functions.ZSTD_compress2(encoder, dst, dst.length, src, src.length)),
    decompress: (dst, src) =>
      void result(functions.ZSTD_decompressDCtx(decoder, dst, dst.length, src, src.length)),
  };
}

const CODERS = { 'zstd-napi': napiCoder, libzstd: systemCoder } as const;

interface Candidate {
  readonly name: string;
  readonly level: number;
  readonly settings: ZstdSettings;
}

const LEVELS = [-20, -10, -7, -5, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12];

/** Neighbours of the chosen settings. */
const TRIED: readonly Candidate[] = [
  ...[
    [13, 7],
    [13, 6],
    [14, 6],
    [14, 5],
    [14, 4],
    [15, 5],
  ].map(([hashLog, minMatch]) => tried('fast', 1, { hashLog: hashLog!, minMatch: minMatch! })),
  ...[13, 14, 15, 16].map((log) =>
    tried('dfast', 3, { hashLog: log, chainLog: Math.max(13, log - 1), minMatch: 5 }),
  ),
  tried('greedy', 5, { hashLog: 17, searchLog: 4, minMatch: 4 }),
  tried('lazy', 6, { hashLog: 18, searchLog: 3, minMatch: 4 }),
  tried('lazy2', 8, { hashLog: 17, searchLog: 3, minMatch: 4 }),
];

function tried(strategy: string, level: number, settings: ZstdSettings): Candidate {
  const shown = Object.entries(settings).map(([name, value]: [string, number]) => `${name} ${value}`);
  return { name: [strategy, ...shown].join(', '), level, settings };
}

function candidates(): Candidate[] {
  return LEVELS.flatMap((level) => {
    const settings = zstdSettings(level, MIB);
    const own = { name: `zstd's ${level}`, level, settings: {} };
    return Object.keys(settings).length === 0 ? [own] : [own, { name: `level ${level}`, level, settings }];
  }).concat(TRIED);
}

/** Bytes, and microseconds of one thread at either end. */
interface Sums {
  bytes: number;
  encode: number;
  decode: number;
}

class Contest {
  readonly sums: Sums[];
  readonly #coders: Coder[];
  readonly #clock = threadClock();
  readonly #coded: Uint8Array;
  readonly #back: Uint8Array;

  constructor(
    list: readonly Candidate[],
    make: () => Coder,
    private readonly bodies: readonly Uint8Array[],
  ) {
    const most = Math.max(...bodies.map(({ length }) => length));
    this.#coded = new Uint8Array(new SharedArrayBuffer(2 * most));
    this.#back = new Uint8Array(new SharedArrayBuffer(most));
    this.sums = list.map(() => ({ bytes: 0, encode: 0, decode: 0 }));
    this.#coders = list.map(({ level, settings }) => {
      const coder = make();
      coder.set(ZSTD_PARAMETER.compressionLevel, level);
      for (const [name, value] of Object.entries(settings) as [keyof ZstdSettings, number][]) {
        coder.set(ZSTD_PARAMETER[name], value);
      }
      return coder;
    });
  }

  run(): void {
    for (const body of this.bodies) {
      const best = this.sums.map(() => ({ bytes: 0, encode: Infinity, decode: Infinity }));
      for (let turn = 0; turn < ROUNDS; turn++) {
        const order = [...this.#coders.keys()];
        if (turn % 2 === 1) order.reverse();
        for (const index of order) this.#once(this.#coders[index]!, body, best[index]!);
      }
      for (const [index, { bytes, encode, decode }] of best.entries()) {
        const sum = this.sums[index]!;
        sum.bytes += bytes;
        sum.encode += encode;
        sum.decode += decode;
      }
    }
  }

  #once(coder: Coder, body: Uint8Array, best: Sums): void {
    coder.set(ZSTD_PARAMETER.windowLog, windowLogFor(body.length));
    const started = this.#clock();
    best.bytes = coder.compress(this.#coded, body);
    const encoded = this.#clock();
    best.encode = Math.min(best.encode, encoded - started);
    const back = this.#back.subarray(0, body.length);
    const begun = this.#clock();
    coder.decompress(back, this.#coded.subarray(0, best.bytes));
    best.decode = Math.min(best.decode, this.#clock() - begun);
    if (Buffer.compare(back, body) !== 0) throw new Error('a body does not come back as it was');
  }
}

function table(name: keyof typeof CODERS, bodies: readonly Uint8Array[]): Table {
  const list = candidates();
  const contest = new Contest(list, CODERS[name], bodies);
  contest.run();
  const base =
    contest.sums[list.findIndex(({ level, settings }) => level === 1 && settings.minMatch === undefined)]!;
  const both = ({ encode, decode }: Sums): number => encode + decode;
  const sorted = list
    .map((candidate, index) => ({ candidate, sum: contest.sums[index]! }))
    .sort((a, b) => both(a.sum) - both(b.sum));
  let least = Infinity;
  const rows = sorted.map(({ candidate, sum }): Cell[] => {
    const front = sum.bytes < least ? '*' : '';
    least = Math.min(least, sum.bytes);
    return [
      candidate.name,
      round(sum.bytes / base.bytes, 3),
      round(both(sum) / both(base), 2),
      round(sum.encode / base.encode, 2),
      round(sum.decode / base.decode, 2),
      front,
    ];
  });
  const plain = bodies.reduce((total, { length }) => total + length, 0);
  return {
    title: `zstd's settings on the bodies of chunks, ${name}`,
    columns: ['settings', 'bytes', 'both ends', 'compress', 'decompress', 'front'],
    rows,
    note:
      `${bodies.length} bodies, ${round(plain / 1e6, 1)} MB; multiples of zstd's level 1 (ratio ${round(plain / base.bytes, 2)}, ` +
      `${round(plain / base.encode)} and ${round(plain / base.decode)} MB/s of processor time); * = nothing cheaper has fewer bytes`,
  };
}

export const zstdParameterSuite: Suite = {
  name: 'zstd-parameters',
  summary: "zstd's settings on the bodies of chunks: bytes and processor time of both ends",
  cases: Object.keys(CODERS),
  run: async ({ image, scratch, wants, report }) => {
    const bodies = await chunkBodies(image, scratch, BODIES, LEAST_BYTES);
    if (bodies.length === 0)
      throw new Error('zstd-parameters needs an image with chunks that are not mostly zero');
    for (const name of Object.keys(CODERS) as (keyof typeof CODERS)[]) {
      if (wants(name)) report(table(name, bodies));
    }
  },
};
