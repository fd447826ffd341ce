// Guest RAM images generated from a seed, for tests, demos and benchmarks without a real guest's RAM.
// Takes a size, a seed and a profile; promises the same bytes for the same three, in bounded memory. The proportions
// follow two measured guests (an idle one and a database), see docs/TUNING.md.

import { open, rename, unlink } from 'node:fs/promises';
import { RamferryError, toRamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import { PAGE_KINDS, PagePainter, type PageKind } from './page-kinds.js';
import type { ImageProfile } from './profiles.js';
import { mixSeed, Random } from './random.js';

/** Options of an image. The same options give the same bytes. */
export interface ImageOptions {
  /** Size of the guest's RAM: a positive multiple of 4096. */
  readonly bytes: number;
  /** Any whole number; only its low 32 bits count. */
  readonly seed: number;
  /** Kind of guest that the image resembles. */
  readonly profile: ImageProfile;
}

/** Share of all pages and mean length of a run, in pages. */
interface Portion {
  readonly share: number;
  readonly run: number;
}
type Portions = Readonly<Record<PageKind | 'duplicate', Portion>>;

/**
 * Shares come from per-page measurements of two real images: zero pages, duplicates (counted without the first page of
 * each), and the rest by compressibility. Run lengths come from extents with the same compressibility.
 */
const PROFILES: Readonly<Record<ImageProfile, Portions>> = {
  idle: {
    zero: { share: 0.592, run: 300 },
    duplicate: { share: 0.087, run: 36 },
    code: { share: 0.122, run: 30 },
    log: { share: 0.008, run: 8 },
    prose: { share: 0.012, run: 8 },
    json: { share: 0.004, run: 8 },
    table: { share: 0.008, run: 4 },
    pagetable: { share: 0.012, run: 3 },
    heap: { share: 0.087, run: 5 },
    memmap: { share: 0.018, run: 64 },
    sparse: { share: 0.022, run: 3 },
    random: { share: 0.027, run: 23 },
  },
  busy: {
    zero: { share: 0.04, run: 4.5 },
    duplicate: { share: 0.025, run: 4 },
    code: { share: 0.1, run: 12 },
    log: { share: 0.08, run: 12 },
    prose: { share: 0.05, run: 12 },
    json: { share: 0.28, run: 48 },
    table: { share: 0.215, run: 48 },
    pagetable: { share: 0.02, run: 4 },
    heap: { share: 0.125, run: 6 },
    memmap: { share: 0.015, run: 64 },
    sparse: { share: 0.04, run: 2 },
    random: { share: 0.01, run: 9 },
  },
};

const CHUNK = 1 << 20;
/** Extents remembered for duplicates. The limit bounds the memory for every size of image. */
const HISTORY = 8192;

interface Extent {
  readonly kind: PageKind;
  readonly seed: number;
  readonly first: number;
  readonly pages: number;
}

/** Throws ERR_OPTION_INVALID unless the size is a positive multiple of a page. */
export function checkRamSize(bytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes % PAGE_BYTES === 0) return;
  throw new RamferryError(
    'ERR_OPTION_INVALID',
    `RAM size ${bytes} is not a positive multiple of 4096 bytes`,
    {
      hint: 'give the size in bytes, rounded to whole 4 KiB pages',
    },
  );
}

/**
 * The image in pieces of at most 1 MiB, each in memory of its own.
 * @throws RamferryError ERR_OPTION_INVALID for a size that is not a whole number of pages.
 * @example
 * ```ts
 * import { Readable } from 'node:stream';
 * import { generateImage, send } from 'ramferry';
 *
 * const image = Readable.from(generateImage({ bytes: 1 << 20, seed: 1, profile: 'idle' }));
 * await send({ input: image, output: 'generated.rf' });
 * ```
 */
export function* generateImage(options: ImageOptions): Generator<Uint8Array, void, undefined> {
  checkRamSize(options.bytes);
  const painter = new PagePainter();
  let chunk = new Uint8Array(Math.min(CHUNK, options.bytes));
  let filled = 0;
  let left = options.bytes;
  for (const extent of layout(options)) {
    for (let i = 0; i < extent.pages; i++) {
      // A fresh chunk is zero already.
      if (extent.kind !== 'zero') {
        chunk.set(painter.paint(extent.kind, extent.seed, extent.first + i), filled);
      }
      filled += PAGE_BYTES;
      if (filled < chunk.length) continue;
      yield chunk;
      left -= filled;
      filled = 0;
      chunk = new Uint8Array(Math.min(CHUNK, left));
    }
  }
}

/**
 * Writes an image to a file. It first has a temporary name and mode 0600, so that a failure leaves no partial image.
 * @throws RamferryError ERR_OPTION_INVALID, ERR_OUTPUT_OPEN or ERR_OUTPUT_WRITE.
 * @example
 * ```ts
 * import { writeImage } from 'ramferry';
 *
 * await writeImage('idle.ram', { bytes: 1 << 20, seed: 1, profile: 'idle' });
 * ```
 */
export async function writeImage(path: string, options: ImageOptions): Promise<void> {
  checkRamSize(options.bytes);
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'wx', 0o600).catch((thrown: unknown) => {
    throw toRamferryError(thrown, 'ERR_OUTPUT_OPEN', `cannot create ${path}`);
  });
  try {
    for (const chunk of generateImage(options)) await file.writeFile(chunk);
    await file.close();
    await rename(temporary, path);
  } catch (thrown) {
    await file.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw toRamferryError(thrown, 'ERR_OUTPUT_WRITE', `cannot write ${path}`);
  }
}

/** The extents of the image in order. Their pages add up to the size of the image. */
function* layout(options: ImageOptions): Generator<Extent, void, undefined> {
  const portions = PROFILES[options.profile];
  const total = options.bytes / PAGE_BYTES;
  const random = new Random(mixSeed(options.seed, total));
  const made = new Map<string, number>();
  const history: Extent[] = [];
  let at = 0;
  const take = (kind: PageKind, pages: number): Extent => {
    const extent = { kind, seed: random.next(), first: 0, pages: Math.min(pages, total - at) };
    made.set(kind, (made.get(kind) ?? 0) + extent.pages);
    at += extent.pages;
    if (kind !== 'zero') remember(history, extent, random);
    return extent;
  };
  // Low memory first, as on a PC: vectors, a little firmware data, the hole below 1 MiB, a ROM, the kernel.
  for (const [kind, pages] of lowMemory(total)) yield take(kind, pages);
  while (at < total) {
    const choice = mostWanted(portions, made, at, random);
    const pages = runLength(portions[choice].run, total, random);
    if (choice !== 'duplicate') {
      yield take(choice, pages);
      continue;
    }
    const extent = repeat(history, Math.min(pages, total - at), random);
    made.set('duplicate', (made.get('duplicate') ?? 0) + extent.pages);
    at += extent.pages;
    yield extent;
  }
}

function lowMemory(total: number): [PageKind, number][] {
  if (total < 2048) return [];
  const kernel = Math.min(3072, Math.floor(total / 32));
  return [
    ['pagetable', 1],
    ['sparse', 2],
    ['zero', 0x95],
    ['heap', 8],
    ['zero', 0x20],
    ['code', 0x40],
    ['code', kernel],
    ['heap', Math.floor(kernel / 8)],
  ];
}

/** Picks a kind at random, weighted by its lag behind its share, so that the shares hold at every length. */
function mostWanted(
  portions: Portions,
  made: ReadonlyMap<string, number>,
  at: number,
  random: Random,
): PageKind | 'duplicate' {
  const kinds = [...PAGE_KINDS, 'duplicate'] as const;
  // Duplicates need something to repeat.
  const lag = kinds.map((kind) =>
    kind === 'duplicate' && at === 0
      ? 0
      : Math.max(0, portions[kind].share * (at + 256) - (made.get(kind) ?? 0)),
  );
  // Weights count the runs that would close the lag. Weights in pages would hardly ever pick kinds with short runs.
  const weights = lag.map((pages, i) => pages / portions[kinds[i]!].run);
  let ticket = (random.next() / 0x100000000) * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    ticket -= weight;
    if (ticket < 0) return kinds[i]!;
  }
  return 'zero';
}

/** Many short runs and a few very long ones, as in real RAM: the median is a fifth of the mean. */
function runLength(mean: number, total: number, random: Random): number {
  const u = (random.next() + 1) / 0x100000001;
  const length = mean * 0.2 * (1 / Math.sqrt(u) - 0.4);
  return Math.max(1, Math.min(Math.round(length * 1.7), Math.ceil(total / 16)));
}

function remember(history: Extent[], extent: Extent, random: Random): void {
  if (history.length < HISTORY) history.push(extent);
  else history[random.below(HISTORY)] = extent;
}

/** Part of a remembered extent, once in eight times one of the last 16. */
function repeat(history: readonly Extent[], pages: number, random: Random): Extent {
  const near = random.oneIn(8) ? Math.min(16, history.length) : history.length;
  // The longest of three draws, since duplicates are mostly large (libraries, page cache and its copies).
  let source: Extent = { kind: 'zero', seed: 0, first: 0, pages: 1 };
  for (let draw = 0; draw < 3; draw++) {
    const candidate = history[history.length - 1 - random.below(near)];
    if (candidate !== undefined && candidate.pages >= source.pages) source = candidate;
  }
  const first = source.first + random.below(source.pages);
  return { ...source, first, pages: Math.min(pages, source.first + source.pages - first) };
}
