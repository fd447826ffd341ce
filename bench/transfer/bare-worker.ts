// The baseline for the engine: a thread that only reads extents of a file and calls the codec.
// No planning, no checksums, no order, no output. Takes its chunks from a counter that all threads share.

import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import v8 from 'node:v8';
import { workerData } from 'node:worker_threads';

import type { CodecName } from '../../src/codec/codec.js';
import { Reclaimer } from '../../src/codec/reclaim.js';
import { bindingInfo, openCodec } from '../../src/codec/registry.js';
import { takeMark, type MarkMemory } from '../support/marks.js';

export interface BareStartUp {
  readonly fd: number;
  readonly chunkSize: number;
  readonly chunks: number;
  readonly codec: CodecName;
  readonly level: number;
  /** Two integers: chunks taken, chunks done. */
  readonly counters: SharedArrayBuffer;
  /** Numbers of chunks after which the clock is read. */
  readonly from: number;
  readonly to: number;
  readonly marks: MarkMemory;
}

const startUp = workerData as BareStartUp;
const { fd, chunkSize, chunks, level, from, to, marks } = startUp;
const counters = new Int32Array(startUp.counters);
const codec = openCodec(startUp.codec);
const { returnsBuffers } = bindingInfo(startUp.codec);
// The command sets the same flag (src/cli/process/v8-flags.ts).
v8.setFlagsFromString('--expose-gc');
const reclaimer = new Reclaimer();
const input = Buffer.from(new SharedArrayBuffer(chunkSize));
const output = Buffer.from(new SharedArrayBuffer(chunkSize * 2));

for (;;) {
  const index = Atomics.add(counters, 0, 1);
  if (index >= chunks) break;
  readSync(fd, input, 0, chunkSize, index * chunkSize);
  const pending = codec.compress(output, input, level);
  if (typeof pending !== 'number') await pending;
  const done = Atomics.add(counters, 1, 1) + 1;
  if (done === from) takeMark(marks, 0);
  if (done === to) takeMark(marks, 1);
  if (returnsBuffers) await reclaimer.used(chunkSize);
}
