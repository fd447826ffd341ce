// The chunk functions in one thread: plan, encode, decode, expand, and the checksum that both sides take. Codec `none`
// shows what everything around a codec costs; the others the whole chunk.

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

export const chunks: Suite = {
  name: 'chunks',
  summary: 'plan, encode, decode and expand of whole chunks in one thread',
  run: async ({ image, report }) => {
    const inputs = sampleChunks(image, CHUNKS, OPERATIONS_CAPACITY).map(inputOf);
    const planner = new Planner(SAMPLE_CHUNK);
    const expander = new Expander(SAMPLE_CHUNK / PAGE_BYTES);
    const codecs = Object.fromEntries(CODECS.map((name) => [name, openCodec(name)])) as Record<
      CodecName,
      Codec
    >;
    const out = Buffer.allocUnsafeSlow(recordCapacity(SAMPLE_CHUNK));
    const scratch = Buffer.allocUnsafeSlow(recordCapacity(SAMPLE_CHUNK));
    const decoded = Buffer.allocUnsafeSlow(SAMPLE_CHUNK);
    const tools = { expander, scratch, codec: (name: CodecName) => codecs[name] };
    const encode = (input: PlanInput, name: CodecName) => {
      const coding = { codec: name === 'none' ? undefined : codecs[name], level: 1, storeOnly: false };
      return encodeChunk(planner, input, { place: { sequence: 0, needs: 0, offset: 0 }, coding }, out, 0);
    };
    const prepared: Prepared[] = [];
    for (const input of inputs) {
      const { body, operationsLength } = planner.plan(input);
      const plan = {
        operations: Buffer.from(body.subarray(0, operationsLength)),
        content: Buffer.from(body.subarray(operationsLength)),
      };
      const records: Partial<Record<CodecName, Buffer>> = {};
      for (const name of CODECS) {
        const { length } = await encode(input, name);
        records[name] = Buffer.from(out.subarray(0, length));
      }
      prepared.push({ plan, records: records as Prepared['records'] });
    }
    const results = await measure({
      checksum: () => inputs.map(({ front }) => checksum(front.subarray(OPERATIONS_CAPACITY))),
      plan: () => inputs.map((input) => planner.plan(input).literal),
      expand: () => prepared.map(({ plan }) => expander.expand(plan.operations, plan.content, decoded)),
      ...Object.fromEntries(
        CODECS.flatMap((name) => [
          [
            `encode ${name}`,
            async () => {
              for (const input of inputs) await encode(input, name);
            },
          ],
          [
            `decode ${name}`,
            async () => {
              for (const { records } of prepared) {
                const record = records[name];
                await decodeChunk(tools, readChunkHeader(record, 0, SAMPLE_CHUNK), record, decoded);
              }
            },
          ],
        ]),
      ),
    });
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
