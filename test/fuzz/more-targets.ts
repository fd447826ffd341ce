// Fuzzing of other inputs than native streams: Xen streams of method xenguest, frames of method stream, and the control
// messages of the receiver. Each mutant gives a typed error or the identical bytes, and neither an internal error nor a
// hang.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

import { CONTROL_MAGIC, MESSAGE, writeMessage } from '../../src/control/messages.js';
import { parseRecord, RECORD_MAGIC, writeRecord } from '../../src/container/frames/record.js';
import { helloMessage, resultMessage } from '../../src/control/negotiation.js';
import { RamferryError } from '../../src/errors.js';
import type { XenKind } from '../../src/grammar/xen/wrapping.js';
import { ControlReader } from '../../src/control/channel.js';
import { range, REC, XenStream } from '../grammar/support/xen-streams.js';
import { detect, pack, PiecewiseSource, unpack } from '../transfer/support/streams-support.js';
import { mutateBlindly } from './blind.js';
import type { Xorshift32 } from '../../lab/random.js';
import { decodeXenInline } from './xen-inline.js';
import { mutateXen } from './xen-mutations.js';

/** No mutant may take longer. The limit allows for a busy machine. */
const CASE_LIMIT_MS = 20_000;

/** Makes a mutant and decodes it. @returns the outcome. @throws AssertionError for a finding */
export type Trial = (random: Xorshift32) => Promise<'decoded' | 'refused'>;

/** The result or the typed error of `work`, within CASE_LIMIT_MS. */
async function bounded<T>(work: Promise<T>): Promise<T | RamferryError> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${CASE_LIMIT_MS} ms`)), CASE_LIMIT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } catch (thrown) {
    assert.ok(thrown instanceof RamferryError, thrown instanceof Error ? thrown : String(thrown));
    assert.notEqual(thrown.code, 'ERR_INTERNAL', thrown.message);
    return thrown;
  } finally {
    clearTimeout(timer);
  }
}

function guests(): Buffer[] {
  const pages = new XenStream()
    .image({ type: 2 })
    .pageData(range(0, 3))
    .record(REC.tscInfo, Buffer.alloc(24, 1));
  const resent = pages.pageData(range(1, 2)).end().bytes();
  const wrapped = new XenStream().xlHeader().libxlHeader().libxcContext().image().pageData(range(0, 2)).end();
  return [
    resent,
    new XenStream({ bigEndian: true }).pvGuest().bytes(),
    new XenStream().remusGuest().bytes(),
    Buffer.concat([wrapped.libxlEnd().bytes(), Buffer.alloc(9000, 'behind')]),
  ];
}

export async function xenTrial(): Promise<Trial> {
  const originals = guests();
  const streams: { kind: XenKind; bytes: Buffer }[] = [];
  for (const bytes of originals) {
    for (const xenguestVersion of [1, 2] as const) {
      const packed = await pack(bytes, { codec: 'lz4', xenguestVersion, storeBytes: 64 * 1024 });
      streams.push({ kind: detect(bytes) as XenKind, bytes: packed });
    }
  }
  const others = streams.map(({ bytes }) => bytes);
  return async (random) => {
    const { kind, bytes } = random.pick(streams);
    const mutant = mutateXen(bytes, kind, others, random);
    if (detect(mutant.bytes) !== kind) return 'refused';
    const outcome = await bounded(decodeXenInline(mutant.bytes, kind));
    if (outcome instanceof RamferryError) return 'refused';
    const known = originals.some((original) => original.equals(outcome.bytes));
    // A stream without any record of ramferry is what a host without ramferry sends.
    assert.ok(known || !outcome.verified || mutant.sealed, 'damage gave other bytes and success');
    return 'decoded';
  };
}

export async function framesTrial(): Promise<Trial> {
  const original = Buffer.concat([Buffer.alloc(70_000, 'frames around everything; '), Buffer.alloc(9000)]);
  const streams: Buffer[] = [];
  for (const codec of ['zstd', 'lz4', 'zlib'] as const) {
    streams.push(await pack(original, { kind: 'opaque', method: 'stream', codec }));
  }
  return async (random) => {
    const stream = random.pick(streams);
    const bytes =
      random.below(2) === 0 ? mutateBlindly(stream, streams, random) : changedFrameRecord(stream, random);
    // unpack() is the whole receiver, whose threads decode frames.
    const outcome = await bounded(unpack(bytes));
    if (outcome instanceof RamferryError) return 'refused';
    const whole = outcome.bytes.equals(original) || outcome.bytes.equals(Buffer.concat([original, original]));
    assert.ok(whole || !outcome.verified, 'damage gave other bytes and success');
    return 'decoded';
  };
}

/** Changes one of ramferry's records in the frames; the record's checksum fits. */
function changedFrameRecord(stream: Buffer, random: Xorshift32): Buffer {
  const copy = Buffer.from(stream);
  const found: number[] = [];
  for (let at = copy.indexOf(RECORD_MAGIC); at >= 0; at = copy.indexOf(RECORD_MAGIC, at + 1)) found.push(at);
  const at = random.pick(found);
  for (const size of [20, 24, 40]) {
    try {
      const record = parseRecord(copy.subarray(at, at + size), at);
      const value = random.pick([0, 1, 2 ** 16, 2 ** 31, 2 ** 32 - 1, random.below(100_000)]);
      switch (record.kind) {
        case 'announcement':
          writeRecord({ ...record, maxDecoded: value }).copy(copy, at);
          break;
        case 'totals':
          writeRecord({ ...record, totals: { ...record.totals, decodedBytes: value } }).copy(copy, at);
          break;
        case 'chunk':
          writeRecord({ ...record, decodedLength: value }).copy(copy, at);
      }
      return copy;
    } catch {
      // The record has another size, or there is none.
    }
  }
  return copy;
}

/** Mutants of the receiver's control messages, with checksums that fit. */
export function wayBackTrial(): Trial {
  const hello = helloMessage({
    software: 'ramferry',
    versions: [1],
    codecs: ['zstd'],
    maxChunk: 1 << 24,
    memory: 1 << 28,
    xenguest: [1, 2],
  });
  const progress = (bytes: number): Buffer => {
    const body = Buffer.alloc(24);
    body.writeBigUInt64LE(BigInt(bytes), 0);
    return writeMessage(MESSAGE.progress, body);
  };
  const backward = writeMessage(MESSAGE.backward, Buffer.from('return path'));
  const failed = resultMessage({ ok: false, error: { code: 'ERR_OUTPUT_FULL', message: 'no space' } });
  const talks = [
    [hello, progress(1), backward, progress(4096), resultMessage({ ok: true, bytes: 4096 })],
    [hello, progress(1), failed],
  ];
  return async (random) => {
    const messages: Buffer[] = random.pick(talks).map((message) => Buffer.from(message));
    const index = random.below(messages.length);
    const message = messages[index]!;
    const sealed = random.below(3) > 0;
    if (sealed) {
      const body = mutateBlindly(message.subarray(8, -8), messages, random).subarray(0, 65_536);
      messages[index] = writeMessage(
        random.below(4) === 0 ? random.below(12) : message.readUInt32LE(0),
        body,
      );
    }
    const said = Buffer.concat([CONTROL_MAGIC, ...messages]);
    const bytes = sealed ? said : mutateBlindly(said, messages, random);
    const reader = new ControlReader(new PiecewiseSource(bytes, 1 + random.below(50)), () =>
      Promise.resolve(),
    );
    const sent = random.below(4) > 0;
    reader.acceptSuccessWhen(() => sent);
    const outcome = await bounded(reader.success());
    return outcome instanceof RamferryError ? 'refused' : 'decoded';
  };
}
