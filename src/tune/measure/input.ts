// Opens the input as `send` would, and draws a sample of it. Provides regions, and a file with a part of them for real transfers;
// removes that file when closed. The file holds guest memory: mode 0600.

import fs from 'node:fs';
import { join } from 'node:path';

import { RamferryError } from '../../errors.js';
import { grammarFor } from '../../grammar/detect.js';
import type { ByteSource } from '../../io/bytes.js';
import { readExactlyAt } from '../../io/file/positioned.js';
import { makeScratch } from '../../io/file/scratch.js';
import { parseAddress } from '../../link/address.js';
import { openInput } from '../../link/open.js';
import { recognise } from '../../transfer/plan/opening.js';
import { speaker } from '../../control/peer-rules.js';
import { LEAST_REGIONS } from './measure.js';
import type { Region } from './region.js';
import { type Sample, sampleImage } from './sample.js';
import { sampleStream } from './sample-stream.js';

/** Regions of an image: positions only. */
const IMAGE_REGIONS = 64;
/** Regions of a stream are held in memory: 96 MiB. */
const STREAM_REGIONS = 24;
const LOOK_TIME_MS = 1000;

export interface TuneInput {
  readonly sample: Sample;
  /** The kind of input: `raw`, `qemu`, … */
  readonly kind: string;
  /** Descriptor that regions are read from; -1 where they are held in memory. */
  readonly fd: number;
  /** A temporary directory of this run. */
  readonly scratch: string;
  /** A file with the first regions, and how many those are. */
  readonly part: { readonly file: string; readonly regions: number };
  close(): Promise<void>;
}

export interface InputOptions {
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes read, for streams. */
  readonly onProgress?: (bytes: number) => void;
}

export async function openTuneInput(address: string, options: InputOptions): Promise<TuneInput> {
  const opening = { signal: options.signal, ioTimeout: 0, peer: speaker() };
  const source = (await openInput(parseAddress(address), opening)).source!;
  const scratch = makeScratch('ramferry-tune-');
  const clean = (): void => fs.rmSync(scratch, { recursive: true, force: true });
  process.once('exit', clean);
  const close = async (): Promise<void> => {
    process.off('exit', clean);
    clean();
    await source.close();
  };
  try {
    const { kind, sample, fd } = await draw(source, options);
    if (sample.regions.length === 0) {
      throw new RamferryError('ERR_INPUT_TRUNCATED', `${address} is empty: there is nothing to measure with`);
    }
    const part = writePart(sample, fd, scratch);
    return { sample, kind, fd, scratch, part, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function draw(
  source: ByteSource,
  options: InputOptions,
): Promise<{ kind: string; sample: Sample; fd: number }> {
  const { head, kind } = await recognise(source, source.file?.size);
  const grammar = grammarFor(kind);
  const { file } = source;
  if (kind === 'raw' && file !== undefined) {
    const drawing = { seed: options.seed, regions: IMAGE_REGIONS, lookTime: LOOK_TIME_MS };
    return { kind, fd: file.fd, sample: sampleImage(file.fd, file.size, drawing) };
  }
  const { onProgress } = options;
  const sample = await sampleStream({
    source,
    head,
    grammar,
    regions: STREAM_REGIONS,
    seed: options.seed,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return { kind, fd: -1, sample };
}

function writePart(sample: Sample, fd: number, scratch: string): TuneInput['part'] {
  const regions = sample.regions.slice(0, LEAST_REGIONS);
  const file = join(scratch, 'part');
  const out = fs.openSync(file, 'wx', 0o600);
  try {
    for (const region of regions) fs.writeSync(out, bytesOf(region, fd));
  } finally {
    fs.closeSync(out);
  }
  return { file, regions: regions.length };
}

/** The contents of a region. */
export function bytesOf(region: Region, fd: number): Buffer {
  if (region.held !== undefined) return region.held.bytes;
  const bytes = Buffer.allocUnsafe(region.length);
  readExactlyAt(fd, bytes, region.offset);
  return bytes;
}
