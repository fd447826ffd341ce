// The plan of a sender, from options, hello and input. Nothing is opened.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Hello } from '../../../src/control/negotiation.js';
import { resolveSendOptions, type SendOptions } from '../../../src/options/transfer.js';
import { namedOptions } from '../../../src/transfer/plan/coding.js';
import {
  firstDeliveryWindow,
  type InputFacts,
  type PlanRequest,
  planTransfer,
} from '../../../src/transfer/plan/plan-transfer.js';
import { layOutPlan, type TransferPlan } from '../../../src/transfer/plan/transfer-plan.js';
import { KIB, MIB } from '../../../src/units.js';
import { HELLO } from '../support/peers.js';

const QEMU: InputFacts = { kind: 'qemu' };
const XEN: InputFacts = { kind: 'libxc', isReadToItsEnd: true };
const IMAGE: InputFacts = { kind: 'raw', length: 1024 * MIB, isReadToItsEnd: true };
const SOCKET = { isLive: true, queueTells: true };
const FILE = { isLive: false, queueTells: false };
/** A receiver of the current version: it holds a page store, acknowledges often and reads marks. */
const RECEIVER: Hello = {
  ...HELLO,
  stores: Array<number>(11).fill(128 * MIB),
  progressInterval: 10,
  xenguest: [1, 2],
};

function plan(
  input: InputFacts,
  options: Partial<SendOptions> = {},
  request: Partial<PlanRequest> = {},
): TransferPlan {
  const given: SendOptions = { input: '-', output: '-', compressThreads: 2, ...options };
  return planTransfer({
    settings: resolveSendOptions(given),
    named: namedOptions(given),
    hello: undefined,
    input,
    output: FILE,
    cpus: 2,
    ...request,
  });
}

describe('planTransfer', () => {
  it('lets the workers read the extents of a RAM image in a file', () => {
    const { stream, coding, memory, container, adaptivity, pace, rounds } = plan(IMAGE);
    assert.deepEqual(stream, {
      kind: 'raw',
      grammar: 'raw',
      byExtents: true,
      identities: false,
      followsEnd: true,
      length: 1024 * MIB,
      before: undefined,
      opaqueBecause: undefined,
    });
    assert.equal(coding.codec, 'zstd');
    assert.equal(coding.level, 1);
    assert.equal(coding.chunkSize, MIB);
    assert.deepEqual(container, { kind: 'native' });
    assert.equal(memory.storeBytes, 0, 'pages of an image are sent once');
    assert.equal(memory.slots.slots, 4 * 2 + 8);
    assert.equal(adaptivity, undefined);
    assert.equal(pace.deliveryWindow, undefined);
    assert.deepEqual(rounds, { downtimeLimit: 300, live: false });
  });

  it('adapts with chunks of 2 MiB, RAM image over a duplex link', () => {
    const { adaptivity, coding } = plan(IMAGE, {}, { output: SOCKET, hello: RECEIVER });
    assert.equal(coding.chunkSize, 2 * MIB);
    assert.equal(adaptivity?.machine.chunkSize, 2 * MIB);
    assert.equal(adaptivity.queueTells, true);
  });

  it('keeps a page store, a delivery window and small chunks, QEMU stream over a duplex link', () => {
    const { stream, coding, memory, pace, adaptivity, rounds, warnings } = plan(
      QEMU,
      {},
      { output: SOCKET, hello: RECEIVER },
    );
    assert.equal(stream.byExtents, false);
    assert.equal(stream.identities, true);
    assert.equal(coding.chunkSize, MIB);
    assert.equal(memory.storeBytes, 64 * MIB);
    assert.equal(memory.slots.suggestions, 256);
    assert.equal(pace.deliveryWindow, memory.slots.slots * MIB);
    assert.equal(pace.flushAfter, 50);
    assert.equal(pace.switchover, 300);
    assert.ok(adaptivity !== undefined);
    assert.deepEqual(rounds, { downtimeLimit: 300, live: true });
    assert.deepEqual(warnings, []);
  });

  it('takes the native container and no store, Xen stream to a receiver of version 0.1', () => {
    const { container, memory, pace } = plan(XEN, {}, { output: SOCKET, hello: HELLO });
    assert.deepEqual(container, { kind: 'native' });
    assert.equal(memory.storeBytes, 0);
    assert.equal(pace.deliveryWindow, undefined, 'it acknowledges every half second');
    assert.equal(pace.switchover, undefined, 'the toolstack estimates no bandwidth');
  });

  it('writes records into the Xen stream, receiver that reads marks', () => {
    const { container, stream } = plan(XEN, {}, { output: SOCKET, hello: RECEIVER });
    assert.deepEqual(container, { kind: 'xenguest', version: 2 });
    assert.equal(stream.followsEnd, true);
  });

  it('stops at END, Xen stream in version 1', () => {
    const { container, stream } = plan(XEN, { xenguestVersion: 1 });
    assert.deepEqual(container, { kind: 'xenguest', version: 1 });
    assert.equal(stream.followsEnd, false);
  });

  it('takes fewer slots and a smaller store, narrow memory limit', () => {
    const wide = plan(QEMU).memory;
    const narrow = plan(QEMU, { memoryLimit: 128 * MIB }).memory;
    assert.ok(narrow.storeBytes < wide.storeBytes);
    assert.ok(narrow.slots.slots < wide.slots.slots);
    const { process, threads, slots, store } = narrow.shares;
    assert.ok(process + threads + slots + store <= 128 * MIB, 'the shares stay within the limit');
  });

  it('throws ERR_MEMORY_LIMIT, no slots fit', () => {
    assert.throws(() => plan(QEMU, { memoryLimit: 64 * MIB }), { code: 'ERR_MEMORY_LIMIT' });
  });

  it('reserves the memory of the generator and watches no rounds, generated stream', () => {
    const request = { output: SOCKET, hello: RECEIVER, reservedBytes: 32 * MIB };
    const { memory, rounds, pace, stream } = plan({ kind: 'memory' }, {}, request);
    assert.equal(memory.limit, 288 * MIB);
    assert.equal(stream.identities, true);
    assert.equal(rounds, undefined);
    assert.equal(pace.deliveryWindow, undefined);
  });

  it('makes frames without a store, method stream', () => {
    const { container, memory, stream } = plan(IMAGE, { method: 'stream', codec: 'lz4' });
    assert.deepEqual(container, { kind: 'frames', codec: 'lz4' });
    assert.equal(memory.storeBytes, 0);
    assert.equal(stream.byExtents, false);
    assert.equal(plan(QEMU, { method: 'stream' }).memory.storeBytes, 0);
    assert.throws(() => plan(IMAGE, { method: 'stream', codec: 'none' }), { code: 'ERR_OPTION_INVALID' });
  });

  it('adapts by default only on a live output, without a given codec or level', () => {
    const adapts = (options: Partial<SendOptions>, output: typeof SOCKET): boolean =>
      plan(QEMU, options, { output }).adaptivity !== undefined;
    assert.equal(adapts({}, SOCKET), true);
    assert.equal(adapts({}, FILE), false);
    assert.equal(adapts({ compressLevel: 3 }, SOCKET), false);
    assert.equal(adapts({ codec: 'zstd' }, SOCKET), false);
    assert.equal(adapts({ compressLevel: 3, adaptive: true }, FILE), true);
    assert.equal(adapts({ adaptive: false }, SOCKET), false);
  });

  it('starts adaptive mode with the given level, and with the bandwidth limit as the link rate', () => {
    const options = { adaptive: true, compressLevel: 3, maxBandwidth: 50e6, maxCpu: 1.5 };
    const { adaptivity, pace } = plan(QEMU, options, { output: SOCKET });
    assert.deepEqual(adaptivity?.first, { level: 3, link: { rate: 50e6, limited: true } });
    assert.equal(adaptivity.machine.cpus, 1.5);
    assert.equal(pace.maxBandwidth, 50e6);
    assert.equal(pace.maxCpu, 1.5);
  });

  it('narrows codec and chunk size to those of the receiver, with a warning', () => {
    const hello = { ...RECEIVER, codecs: ['none', 'lz4'], maxChunk: 256 * KIB };
    const { coding, warnings } = plan(QEMU, { adaptive: false }, { output: SOCKET, hello });
    assert.equal(coding.codec, 'lz4');
    assert.equal(coding.chunkSize, 256 * KIB);
    assert.deepEqual(warnings, ['the receiver takes codec lz4 and chunks of 256.0 KiB: using those']);
    assert.throws(() => plan(QEMU, { codec: 'zstd' }, { hello }), { code: 'ERR_LINK_NEGOTIATION' });
  });

  it('narrows a given store size to that of the receiver, with a warning', () => {
    const hello = { ...RECEIVER, stores: Array<number>(11).fill(16 * MIB) };
    const { memory, warnings } = plan(QEMU, { xbzrleCacheSize: 32 * MIB }, { output: SOCKET, hello });
    assert.equal(memory.storeBytes, 16 * MIB);
    assert.deepEqual(warnings, ['the receiver holds a page store of 16.0 MiB: using that']);
  });

  it('passes the options of the workers on', () => {
    const options = { selfCheck: true, compressWaitThread: false, nice: 5, window: 16 * MIB };
    const { work, coding } = plan(QEMU, { ...options, memoryLimit: 2048 * MIB });
    assert.deepEqual(work, {
      ...{ zstdBinding: '', longDistance: true, selfCheck: true, waitThread: false, nice: 5 },
      inline: false,
    });
    assert.equal(coding.chunkSize, 16 * MIB);
  });

  it('leaves the first chunks to the main thread, unless threads pay at once or have settings of their own', () => {
    const inline = (length: number | undefined, options: Parameters<typeof plan>[1] = {}): boolean =>
      plan({ kind: 'qemu', length }, options).work.inline;
    assert.equal(inline(undefined), true);
    assert.equal(inline(28 * MIB), true);
    assert.equal(inline(64 * MIB), false, 'a large file');
    assert.equal(inline(undefined, { nice: 1 }), false);
    assert.equal(inline(undefined, { compressWaitThread: false }), false);
  });

  it('throws ERR_ALREADY_COMPRESSED, compressed input', () => {
    assert.throws(() => plan({ kind: 'zstd', length: 100 }), { code: 'ERR_ALREADY_COMPRESSED' });
  });
});

describe('firstDeliveryWindow', () => {
  const CHUNK = 65_536;
  const laidOut = layOutPlan({
    stream: { kind: 'qemu', grammar: 'qemu' },
    coding: { codec: 'zstd', level: 1, chunkSize: CHUNK, threads: 1, codecBytes: 0 },
    container: { kind: 'native' },
  });
  const acknowledges = { ...HELLO, progressInterval: 10 };

  it('covers all slots, receiver acknowledges often', () => {
    assert.equal(firstDeliveryWindow(laidOut, acknowledges), laidOut.memory.slots.slots * CHUNK);
  });

  it('is undefined, receiver without acknowledgements, with rare ones, or without a hello', () => {
    assert.equal(firstDeliveryWindow(laidOut, HELLO), undefined);
    assert.equal(firstDeliveryWindow(laidOut, { ...HELLO, progressInterval: 500 }), undefined);
    assert.equal(firstDeliveryWindow(laidOut, undefined), undefined);
  });

  it('is undefined, input in a file, for which no guest waits', () => {
    const file = { ...laidOut, stream: { ...laidOut.stream, length: 1 } };
    assert.equal(firstDeliveryWindow(file, acknowledges), undefined);
  });
});
