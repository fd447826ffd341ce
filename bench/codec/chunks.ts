// The chunk functions in one thread: plan, encode, decode, expand, and the checksum that both sides compute. Codec
// `none` shows the cost of everything around a codec; the other codecs show the cost of the whole chunk.

import { Buffer } from 'node:buffer';

import { checksum } from '../../src/chunk/checksum.js';
import { decodeChunk } from '../../src/chunk/decode.js';
import { encodeChunk, recordCapacity } from '../../src/chunk/encode.js';
import { Expander } from '../../src/chunk/expand.js';
import { OPERATIONS_CAPACITY, Planner, type PlanInput } from '../../src/chunk/plan.js';
import { readChunkHeader } from '../../src/chunk/record.js';
import { SEGMENT } from '../../src/chunk/segments.js';
import type { Codec, CodecName } from '../../src/codec/codec.js';
import { openCodec } from '../../src/codec/registry.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { measure } from '../support/measure.js';
import { SAMPLE_CHUNK, sampleChunks } from '../support/sample.js';
import { round, type Suite } from '../support/suite.js';

const CHUNKS = 16;
const CODECS = ['none', 'lz4', 'zstd'] as const;

function inputOf(front: Buffer): PlanInput {
  const segments = Int32Array.of(SEGMENT.pages, SAMPLE_CHUNK / PAGE_BYTES);
  return { front, length: SAMPLE_CHUNK, segments, segmentCount: 1 };
}

interface Prepared {
  readonly plan: { readonly operations: Buffer; readonly content: Buffer };
  readonly records: Readonly<Record<(typeof CODECS)[number], Buffer>>;
}

/** The chunk functions and their buffers, in one thread. */
class ChunkBench {
  readonly #inputs: readonly PlanInput[];
  readonly #planner = new Planner(SAMPLE_CHUNK);
  readonly #expander = new Expander(SAMPLE_CHUNK / PAGE_BYTES);
  readonly #codecs = Object.fromEntries(CODECS.map((name) => [name, openCodec(name)])) as Record<
    CodecName,
    Codec
  >;
  readonly #out = Buffer.allocUnsafeSlow(recordCapacity(SAMPLE_CHUNK));
  readonly #decoded = Buffer.allocUnsafeSlow(SAMPLE_CHUNK);
  readonly #tools = {
    expander: this.#expander,
    scratch: Buffer.allocUnsafeSlow(recordCapacity(SAMPLE_CHUNK)),
    codec: (name: CodecName) => this.#codecs[name],
  };

  constructor(inputs: readonly PlanInput[]) {
    this.#inputs = inputs;
  }

  /** The functions to measure, by name; each call handles all inputs. */
  async functions(): Promise<Record<string, () => unknown>> {
    const prepared: Prepared[] = [];
    for (const input of this.#inputs) prepared.push(await this.#prepare(input));
    return {
      checksum: () => this.#inputs.map(({ front }) => checksum(front.subarray(OPERATIONS_CAPACITY))),
      plan: () => this.#inputs.map((input) => this.#planner.plan(input).literal),
      expand: () =>
        prepared.map(({ plan }) => this.#expander.expand(plan.operations, plan.content, this.#decoded)),
      ...Object.fromEntries(
        CODECS.flatMap((name) => [
          [`encode ${name}`, () => this.#encodeAll(name)],
          [`decode ${name}`, () => this.#decodeAll(prepared, name)],
        ]),
      ),
    };
  }

  /** Copies the input of the later functions. */
  async #prepare(input: PlanInput): Promise<Prepared> {
    const { body, operationsLength } = this.#planner.plan(input);
    const plan = {
      operations: Buffer.from(body.subarray(0, operationsLength)),
      content: Buffer.from(body.subarray(operationsLength)),
    };
    const records: Partial<Record<CodecName, Buffer>> = {};
    for (const name of CODECS) {
      const { length } = await this.#encode(input, name);
      records[name] = Buffer.from(this.#out.subarray(0, length));
    }
    return { plan, records: records as Prepared['records'] };
  }

  #encode(input: PlanInput, name: CodecName): ReturnType<typeof encodeChunk> {
    const coding = { codec: name === 'none' ? undefined : this.#codecs[name], level: 1, storeOnly: false };
    const place = { sequence: 0, needs: 0, offset: 0 };
    return encodeChunk(this.#planner, input, { place, coding }, this.#out, 0);
  }

  async #encodeAll(name: CodecName): Promise<void> {
    for (const input of this.#inputs) await this.#encode(input, name);
  }

  async #decodeAll(prepared: readonly Prepared[], name: (typeof CODECS)[number]): Promise<void> {
    for (const { records } of prepared) {
      const record = records[name];
      await decodeChunk(this.#tools, readChunkHeader(record, 0, SAMPLE_CHUNK), record, this.#decoded);
    }
  }
}

export const chunks: Suite = {
  name: 'chunks',
  summary: 'plan, encode, decode and expand of whole chunks in one thread',
  run: async ({ image, report }) => {
    const inputs = sampleChunks(image, CHUNKS, OPERATIONS_CAPACITY).map(inputOf);
    const results = await measure(await new ChunkBench(inputs).functions());
    const megabytes = (inputs.length * SAMPLE_CHUNK) / 1e6;
    report({
      title: 'Chunk functions',
      columns: ['function', 'µs a chunk', 'median', 'MB/s'],
      rows: results.map(({ name, best, typical }) => [
        name,
        round((best / inputs.length) * 1e6),
        round((typical / inputs.length) * 1e6),
        round(megabytes / best),
      ]),
      note: `${inputs.length} chunks of 1 MiB from all over the image; level 1; encode and decode with all checksums`,
    });
  },
};
