// Writes the corpus: small streams with every kind of operation, every codec, and records out of order.
// Run it after a change of the format: `node dist/test/fuzz/make-corpus.js`. The fuzzer mutates the stored streams.

import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type ChunkCoding } from '../../src/chunk/encode.js';
import { CODEC_NAMES } from '../../src/codec/codec.js';
import { Totals, writeStreamHeader } from '../../src/container/native.js';
import { GRAMMAR_ID } from '../../src/grammar/grammar.js';
import { codec, encodePieces, type Piece, STORED } from '../chunk/support.js';
import { QemuStream } from '../grammar/support/qemu-streams.js';
import { pack } from '../transfer/support/streams-support.js';
import { CORPUS } from './corpus.js';

const text = (words: string): Piece => ({ kind: 'skeleton', bytes: Buffer.from(words) });

function words(bigEndian: boolean, ...numbers: number[]): Piece {
  return { kind: 'words', words: numbers.map((number) => BigInt(number)), bigEndian };
}

/** Every operation once, in a small stream: pages are zero or duplicates of a page that compresses well. */
const everything: Piece[] = [
  text('a record header, a record header, a record header'),
  words(false, 4096, 8192, 12_288, 16_384, 20_480),
  { kind: 'pages', pages: [0, 6, 6, 0, 0] },
  words(true, 7, 7, 1000, 3),
  words(true, 2 ** 40, 2 ** 40 + 1, 2 ** 40 + 2, 2 ** 40 + 3),
  words(false, 1, 5),
  { kind: 'pages', pages: [6, 0] },
  text('the end'),
];

const short: Piece[] = [text('short'), words(false, 1, 2, 3, 4, 5), words(true, 9, 3)];

async function stream(
  chunks: readonly Piece[][],
  coding: ChunkCoding,
  options: { window?: number; order?: readonly number[] } = {},
): Promise<Buffer> {
  const totals = new Totals();
  const records: Buffer[] = [];
  let offset = 0;
  for (const [sequence, pieces] of chunks.entries()) {
    const { record, header } = await encodePieces(pieces, coding, { sequence, needs: 0, offset });
    totals.add(header, record.length, record.readBigUInt64LE(record.length - 8));
    records.push(record);
    offset += header.decodedLength;
  }
  const head = writeStreamHeader({
    grammar: GRAMMAR_ID.opaque,
    maxChunk: 65_536,
    window: options.window ?? 1,
    storeBytes: 0,
    totalLength: offset,
  });
  const places = options.order ?? records.map((_, index) => index);
  return Buffer.concat([head, ...places.map((place) => records[place]!), totals.record()]);
}

function keep(name: string, bytes: Buffer): void {
  writeFileSync(join(CORPUS, `${name}.bin`), bytes);
}

for (const name of CODEC_NAMES) {
  const coding = name === 'none' ? STORED : { codec: codec(name), level: 1, storeOnly: false };
  keep(`everything-${name}`, await stream([everything], coding));
}
const zstd = { codec: codec('zstd'), level: 1, storeOnly: false };
keep('empty', await stream([], STORED));
keep('short', await stream([short], STORED));
keep('stored', await stream([short, [text('as it is')]], { ...STORED, storeOnly: true }));
keep('many', await stream([short, [text('x')], everything, short, [{ kind: 'pages', pages: [0] }]], zstd));
keep(
  'window',
  await stream([short, [text('x')], short, [text('yz')]], STORED, { window: 3, order: [2, 0, 1, 3] }),
);

/** A stream with a page store and pages that are sent again: unchanged, changed a little, and equal to others. */
function resent(): Buffer {
  const page = (number: number, round: number): Buffer => {
    const bytes = Buffer.alloc(4096, `page ${number % 7} of a guest, `);
    return number % 2 === 0 ? bytes : bytes.fill(`round ${round}`, 100 * number, 100 * number + 7);
  };
  const stream = new QemuStream(1).magic().configuration().ramSetup();
  for (let round = 0; round < 4; round++) {
    stream.sectionPart(2);
    for (let at = 0; at < 12; at++) stream.header(0, at, 0x08).page(page(at, round), at);
    stream.eos().footer(2);
  }
  return stream.eof().build().bytes;
}
keep('resent', await pack(resent(), { storeBytes: 64 * 1024 }));
