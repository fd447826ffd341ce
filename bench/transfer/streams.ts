// Migration streams beside RAM images: the cost of the skeleton, of the walk over it and of method `xenguest`. Each stream
// is compared with an image of its own pages: same codec, level, chunks and threads, whole processes from file to file,
// taking turns. An input that is no stream is first turned into one of a Xen PVH guest.

import { closeSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { LibxcWriter } from '../../src/guest/stream/libxc-writer.js';
import { GuestRam } from '../../src/guest/ram.js';
import { BATCH_PAGES, type StreamWriter } from '../../src/guest/stream/stream-writer.js';
import { pvhDomain } from '../../src/guest/stream/xen-domain.js';
import { parseAddress } from '../../src/link/address.js';
import { openOutput } from '../../src/link/open.js';
import { ramferry } from '../../lab/command.js';
import { type Run, run } from '../../lab/processes.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { kindOf, walkPages } from '../support/stream-pages.js';
import { type Cell, round, type Suite } from '../support/suite.js';

const TURNS = 9;
const THREADS = '2';
const LEVELS = [1, 3];

export const streams: Suite = {
  name: 'streams',
  summary: 'Xen and QEMU streams (or --image STREAM) beside a RAM image of the same pages',
  run: async ({ image, scratch, report }) => {
    const kind = await kindOf(image);
    const inputs: Record<string, string> =
      kind === 'raw' ? { 'Xen, PVH guest': await writePvh(image, scratch) } : { [kind]: image };
    for (const [name, stream] of Object.entries(inputs)) {
      const pages = join(scratch, 'stream-pages.ram');
      const count = await extractPages(stream, pages);
      const rows: Cell[][] = [];
      for (const level of LEVELS) rows.push(await compare(stream, pages, level, scratch));
      report({
        title: `Stream beside its pages: ${name}`,
        columns: [
          'zstd level',
          'stream MB',
          'image MB',
          'size ratio',
          'stream CPU s',
          'image CPU s',
          'CPU ratio',
        ],
        rows,
        note:
          `stream of ${round(statSync(stream).size / 1e6, 1)} MB with ${count} pages, ${THREADS} threads, ` +
          `CPU: median of ${TURNS} runs that take turns, start-up included`,
      });
      rmSync(pages);
      if (stream !== image) rmSync(stream);
    }
  },
};

async function compare(stream: string, image: string, level: number, scratch: string): Promise<Cell[]> {
  const output = join(scratch, 'streams.out');
  const runs: { stream: Run[]; image: Run[] } = { stream: [], image: [] };
  const sizes = { stream: 0, image: 0 };
  for (let turn = 0; turn < TURNS; turn++) {
    for (const what of turn % 2 === 0 ? (['stream', 'image'] as const) : (['image', 'stream'] as const)) {
      const input = what === 'stream' ? stream : image;
      const options = ['-q', '--force', '--compress-threads', THREADS, '--compress-level', String(level)];
      runs[what].push(await run(ramferry('send', ...options, input, output)));
      sizes[what] = statSync(output).size;
      rmSync(output);
    }
  }
  const cpu = (of: readonly Run[]): number => median(of.map((each) => each.cpu));
  const [streamCpu, imageCpu] = [cpu(runs.stream), cpu(runs.image)];
  return [
    level,
    round(sizes.stream / 1e6, 2),
    round(sizes.image / 1e6, 2),
    round(sizes.stream / sizes.image, 3),
    round(streamCpu, 2),
    round(imageCpu, 2),
    round(streamCpu / imageCpu, 2),
  ];
}

/** Writes the pages of a stream, in its order, to a file. @returns the number of pages */
async function extractPages(stream: string, path: string): Promise<number> {
  const to = openSync(path, 'wx', 0o600);
  let pages = 0;
  try {
    await walkPages(stream, ({ bytes, at, count }) => {
      writeSync(to, bytes, at, count * PAGE_BYTES);
      pages += count;
    });
  } finally {
    closeSync(to);
  }
  return pages;
}

/** Writes the image as a paused PVH guest: one round over its whole address space, most of which is absent. */
async function writePvh(image: string, scratch: string): Promise<string> {
  const path = join(scratch, 'stream.pvh');
  const pages = Math.floor(statSync(image).size / PAGE_BYTES);
  const ram = new GuestRam(pages);
  const fd = openSync(image, 'r');
  try {
    for (let page = 0; page < pages; page++) readSync(fd, ram.page(page));
  } finally {
    closeSync(fd);
  }
  const { sink } = await openOutput(parseAddress(path), { force: true, sync: false });
  const writer: StreamWriter = new LibxcWriter(sink!, ram, pvhDomain(pages, 1));
  await writer.begin();
  await writer.beginRound(true);
  for (let first = 0; first < writer.frames; first += BATCH_PAGES) {
    const length = Math.min(BATCH_PAGES, writer.frames - first);
    await writer.pages(Uint32Array.from({ length }, (_, index) => first + index));
  }
  await writer.endRound();
  await writer.finish(undefined);
  await sink!.finish();
  return path;
}
