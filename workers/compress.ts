// The compression worker: takes slots off the ring, reads its own extent where the input is a regular file, and
// leaves a chunk record in each. It knows neither the stream nor the link.

import { Buffer } from 'node:buffer';
import { workerData } from 'node:worker_threads';

import { encodeChunk, recordCapacity, type StoreTurn } from '../src/chunk/encode.js';
import { decodeChunk, type DecodeTools } from '../src/chunk/decode.js';
import { Expander } from '../src/chunk/expand.js';
import { PageStore } from '../src/chunk/page-store.js';
import { OPERATIONS_CAPACITY, Planner } from '../src/chunk/plan.js';
import type { ChunkHeader } from '../src/chunk/record.js';
import type { StoreTally } from '../src/chunk/store-plan.js';
import { codecName } from '../src/codec/codec.js';
import type { FrameFormat } from '../src/container/frames/record.js';
import type { UnitResult } from '../src/container/frames/totals.js';
import type { UnitCoder } from '../src/container/frames/unit.js';
import { RamferryError } from '../src/errors.js';
import { readExtent } from '../src/io/direct.js';
import { readExactlyAt } from '../src/io/positioned.js';
import { PAGE_BYTES } from '../src/page/zero.js';
import { JOB, JOB_FLAG, JOB_HASH, JOB_WIDE, TASK } from '../src/slot/job.js';
import type { SlotViews } from '../src/slot/layout.js';
import type { WorkerStartUp } from '../src/slot/start-up.js';
import { Turns } from '../src/slot/turns.js';
import { CodecShelf, serve } from './serve.js';
import { Watch } from './watch.js';

const startUp = workerData as WorkerStartUp;
const planner = new Planner(startUp.maxChunk);
const shelf = new CodecShelf(startUp);
const pages = startUp.store === undefined ? undefined : new PageStore(startUp.store.pages);
const turns = startUp.store === undefined ? undefined : new Turns(startUp.store.turns);

/** Where chunks get their codecs: the shelf, or the watch over it. */
let codecs: Pick<CodecShelf, 'codec'> = shelf;
let watch: Watch | undefined;

function job(slot: SlotViews): Promise<void> {
  if ((slot.ints[JOB.flags]! & JOB_FLAG.watch) === 0) return work(slot);
  codecs = watch ??= new Watch(shelf);
  return watch.job(slot, () => work(slot));
}

function work(slot: SlotViews): Promise<void> {
  const { ints, doubles } = slot;
  const readAt = doubles[JOB_WIDE.readAt]!;
  if (readAt < 0) return ints[JOB.task] === TASK.frame ? frame(slot) : encode(slot, slot.front);
  const length = ints[JOB.inputLength]!;
  if (startUp.alignment > 1) {
    readExtent(startUp.fd, slot.input, length, readAt, startUp.alignment);
    return encode(slot, slot.front);
  }
  // Nobody else needs these bytes: read into memory of our own, which stays in this core's cache from chunk to chunk.
  extent ??= Buffer.allocUnsafeSlow(OPERATIONS_CAPACITY + startUp.maxChunk);
  readExactlyAt(startUp.fd, extent.subarray(OPERATIONS_CAPACITY, OPERATIONS_CAPACITY + length), readAt);
  return encode(slot, extent);
}

let extent: Buffer | undefined;

/** Method `stream`: the bytes as one standard frame, whatever they are. */
async function frame(slot: SlotViews): Promise<void> {
  const { ints, hashes } = slot;
  const units = await shelf.units(codecName(ints[JOB.codec]!) as FrameFormat);
  const input = slot.input.subarray(0, ints[JOB.inputLength]);
  const result = await units.encode(slot.output, input, ints[JOB.level]!);
  if ((ints[JOB.flags]! & JOB_FLAG.selfCheck) !== 0) await checkFrame(slot, units, result);
  ints[JOB.outputLength] = result.encodedLength;
  ints[JOB.plainLength] = result.decodedLength;
  hashes[JOB_HASH.encoded] = result.encodedHash;
  hashes[JOB_HASH.decoded] = result.decodedHash;
}

async function encode(slot: SlotViews, front: Buffer): Promise<void> {
  try {
    await encodeInTurn(slot, front);
  } catch (thrown) {
    turns?.fail(slot.doubles[JOB_WIDE.sequence]!);
    throw thrown;
  }
}

/** The chunk's turn at the page store; undefined where the stream has none. */
function turnOf({ ints, doubles, suggestions }: SlotViews, dry: boolean): StoreTurn | undefined {
  if (pages === undefined || turns === undefined) return undefined;
  const sequence = doubles[JOB_WIDE.sequence]!;
  const needs = doubles[JOB_WIDE.needs]!;
  const suggested = ints[JOB.suggested] === 1;
  return {
    plan: suggested ? { store: pages, sequence, needs, table: suggestions, dry } : undefined,
    begin: () => turns.wait(needs),
    end: () => turns.end(sequence),
  };
}

function tell(tally: StoreTally | undefined, ints: Int32Array): void {
  for (const name of TALLY) ints[JOB[name]] = tally?.[name] ?? 0;
}

const TALLY = ['compared', 'overflow', 'deltaBytes', 'twins', 'sampled', 'gain', 'cost'] as const;

async function encodeInTurn(slot: SlotViews, front: Buffer): Promise<void> {
  const { ints, doubles } = slot;
  const checked = (ints[JOB.flags]! & JOB_FLAG.selfCheck) !== 0;
  const turn = turnOf(slot, checked);
  const length = ints[JOB.inputLength]!;
  const at = ints[JOB.outputOffset]!;
  const level = ints[JOB.level]!;
  const name = codecName(ints[JOB.codec]!)!;
  const result = await encodeChunk(
    planner,
    { front, length, segments: slot.segments, segmentCount: ints[JOB.segments]! },
    {
      sequence: doubles[JOB_WIDE.sequence]!,
      needs: doubles[JOB_WIDE.needs]!,
      offset: doubles[JOB_WIDE.offset]!,
    },
    {
      codec: name === 'none' || level === 0 ? undefined : codecs.codec(name),
      level,
      storeOnly: ints[JOB.task] === TASK.store,
    },
    slot.output,
    at,
    turn,
  );
  if (checked) await selfCheck(slot.output.subarray(at), result.header);
  // The check has done to the store what the receiver will do.
  if (turn?.plan?.dry === true) turn.end();
  tell(result.store, ints);
  ints[JOB.outputLength] = result.length;
  ints[JOB.plainLength] = result.header.plainLength;
}

let checkMemory: Buffer | undefined;
let checkTools: DecodeTools | undefined;

function selfCheckError(sequence: number, cause: unknown): RamferryError {
  return new RamferryError('ERR_SELF_CHECK', 'a chunk does not decode to what was encoded', {
    sequence,
    cause,
    hint: 'do not trust this host (memory, CPU or codec library): the transfer was stopped before the chunk left',
  });
}

async function checkFrame(slot: SlotViews, coder: UnitCoder, made: UnitResult): Promise<void> {
  const out = (checkMemory ??= Buffer.allocUnsafeSlow(startUp.maxChunk)).subarray(0, made.decodedLength);
  try {
    await coder.decode(out, slot.output.subarray(0, made.encodedLength), 0);
    if (slot.input.compare(out, 0, out.length, 0, out.length) !== 0) throw new Error('other bytes');
  } catch (cause) {
    throw selfCheckError(slot.doubles[JOB_WIDE.sequence]!, cause);
  }
}

/** Decodes what was encoded; the decoded bytes must match the checksum that was taken of the input. */
async function selfCheck(record: Buffer, header: ChunkHeader): Promise<void> {
  checkTools ??= {
    expander: new Expander(Math.ceil(startUp.maxChunk / PAGE_BYTES)),
    scratch: Buffer.allocUnsafeSlow(recordCapacity(startUp.maxChunk)),
    codec: (name) => shelf.codec(name),
    // The chunk has its turn now: what it needs is complete.
    store: pages === undefined ? undefined : { store: pages, wait: () => undefined },
  };
  checkMemory ??= Buffer.allocUnsafeSlow(startUp.maxChunk);
  try {
    await decodeChunk(checkTools, header, record, checkMemory.subarray(0, header.decodedLength));
  } catch (cause) {
    throw selfCheckError(header.sequence, cause);
  }
}

export default function compress(): Promise<void> {
  return serve(startUp, shelf, job);
}
