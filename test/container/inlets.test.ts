// Inlets without a receiver: the findings are the same for any split of the input.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { FramesInlet } from '../../src/container/frames-inlet.js';
import type { ArrivedChunk, Arrivals, Inlet, SlotSizes } from '../../src/container/inlet.js';
import { NativeInlet } from '../../src/container/native-inlet.js';
import { PlainInlet } from '../../src/container/plain-inlet.js';
import { XenguestInlet } from '../../src/container/xenguest-inlet.js';
import { smallXenStream } from '../transfer/support/streams-corpus.js';
import { pack, PiecewiseSource } from '../transfer/support/streams-support.js';

const HEAD = new Uint8Array(0);

/** Records the findings of an inlet. Consecutive bytes outside chunks are one finding. */
class Notes implements Arrivals {
  readonly found: string[] = [];
  taken_ = 0;
  #passed: Buffer[] = [];

  #flush(): void {
    if (this.#passed.length > 0) this.found.push(`pass ${Buffer.concat(this.#passed).toString('hex')}`);
    this.#passed = [];
  }

  note(text: string): void {
    this.#flush();
    this.found.push(text);
  }

  open(needs: object): SlotSizes {
    this.note(`open ${JSON.stringify(needs)}`);
    return { input: Infinity, output: Infinity };
  }

  room(length: number): Buffer {
    return Buffer.alloc(length);
  }

  chunk({ sequence, offset, length }: ArrivedChunk, body: Buffer): void {
    this.note(`chunk ${sequence} at ${offset}, ${length}: ${body.toString('hex')}`);
  }

  pass(bytes: Uint8Array): void {
    this.#passed.push(Buffer.from(bytes));
  }

  totals(): void {
    this.note('totals');
  }

  settle(): void {
    this.note('settle');
  }

  taken(bytes: number): void {
    this.taken_ += bytes;
  }

  expect(totalLength: number): void {
    this.note(`expect ${totalLength}`);
  }
}

async function findings(
  stream: Buffer,
  piece: number,
  open: (source: PiecewiseSource) => Inlet,
): Promise<string[]> {
  const notes = new Notes();
  await open(new PiecewiseSource(stream, piece)).read(notes);
  notes.note('end');
  assert.equal(notes.taken_, stream.length, 'every byte is counted once');
  return notes.found;
}

const image = Buffer.alloc(40 * 4096);
for (let at = 0; at < image.length; at += 7) image[at] = at % 251;

const ioTimeout = 0;
const inlets: Record<
  string,
  { readonly stream: () => Promise<Buffer>; readonly open: (source: PiecewiseSource) => Inlet }
> = {
  native: {
    stream: () => pack(image, { kind: 'raw' }),
    open: (source) => new NativeInlet({ source, head: HEAD, ioTimeout }),
  },
  xenguest: {
    stream: () => pack(smallXenStream()),
    open: (source) => new XenguestInlet({ source, head: HEAD, ioTimeout, passThrough: false }, 'libxc'),
  },
  'ramferry frames': {
    stream: () => pack(image, { kind: 'raw', method: 'stream' }),
    open: (source) => new FramesInlet({ source, head: HEAD, ioTimeout, maxWindow: 2 ** 27, zstdBinding: '' }),
  },
  plain: {
    stream: () => Promise.resolve(image),
    open: (source) => new PlainInlet({ source, head: HEAD }),
  },
};

describe('inlets', () => {
  for (const [name, { stream, open }] of Object.entries(inlets)) {
    it(`report the same findings, any split: ${name}`, async () => {
      const bytes = await stream();
      const whole = await findings(bytes, Infinity, open);
      assert.ok(whole.length > 1);
      for (const piece of [1, 7]) assert.deepEqual(await findings(bytes, piece, open), whole);
    });
  }
});
