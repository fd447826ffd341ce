// `inspect`: walks a stream and reports its structure without decoding it. With `verify` it also decodes and checks
// everything. Resolves with a report or rejects with the error of `receive`. Reads the input once, so the input may be a pipe.

import { Buffer } from 'node:buffer';

import type { InletOutcome } from '../../container/inlet.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { containerOf, type StreamKind } from '../../grammar/detect.js';
import { GRAMMAR_ID } from '../../grammar/grammar.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import { onAbort } from '../../io/abort-signal.js';
import type { ByteSource } from '../../io/bytes.js';
import { MIB } from '../../units.js';
import { addressOf } from '../../link/address.js';
import { openInput } from '../../link/open.js';
import { recognise } from '../plan/opening.js';
import {
  type ReceiveOptions,
  type ResolvedReceiveOptions,
  resolveReceiveOptions,
} from '../../options/transfer.js';
import { speaker } from '../../control/peer-rules.js';
import { planRestore } from '../plan/receive-plan.js';
import { openReceiver } from '../receiver/open.js';
import { Statistics } from '../statistics/statistics.js';
import { inspectFrames } from './frames.js';
import { inspectNative } from './native.js';
import { Follower, FollowingSink } from './follow.js';
import type { InspectReport, PlainReport, Recognised } from './report.js';
import { Tee } from './tee.js';
import { inspectXen } from './xen.js';

/** The options of inspect. */
export interface InspectOptions {
  /** Decode every chunk and check everything, as `receive` does. Default false. */
  readonly verify?: boolean | undefined;
  /** Bytes of memory that decoding may take, or a text: `1GiB`. Default and limits as for `receive`. */
  readonly memoryLimit?: number | string | undefined;
  /** Decompression threads. Default and limits as for `receive`. */
  readonly decompressThreads?: number | undefined;
  /** The zstd binding to decode with. Default: the best one that works. */
  readonly zstdBinding?: string | undefined;
  /** Aborts the walk. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Walks the stream at an address, or in a Readable, and reports its structure. Reads the input once.
 * @throws RamferryError ERR_INPUT_OPEN, ERR_LINK_…, ERR_STREAM_… (the error of the stream), ERR_OPTION_INVALID
 * @example
 * ```ts
 * import { inspect, send } from 'ramferry';
 *
 * await send({ input: 'guest.ram', output: 'guest.rf' });
 * const report = await inspect('guest.rf', { verify: true });
 * console.assert(report.container === 'native' && report.decodedBytes === 1048576);
 * ```
 */
export async function inspect(
  input: ReceiveOptions['input'],
  options: InspectOptions = {},
): Promise<InspectReport> {
  const { verify = false, ...rest } = options;
  const settings = resolveReceiveOptions({ ...rest, input, output: '-' });
  const { source } = await openInput(addressOf(settings.input), { signal: settings.signal, peer: speaker() });
  try {
    const report = await inspectSource(source!, verify, settings);
    source!.unchanged?.();
    return report;
  } catch (thrown) {
    throw settings.signal?.reason instanceof RamferryError ? settings.signal.reason : thrown;
  } finally {
    await source!.close();
  }
}

async function inspectSource(
  source: ByteSource,
  verify: boolean,
  settings: ResolvedReceiveOptions,
): Promise<InspectReport> {
  const { head, kind } = await recognise(source);
  if (head.length === 0) {
    throw new RamferryError('ERR_STREAM_TRUNCATED', 'the input is empty', { offset: 0 });
  }
  if (!verify || kind === 'qemu' || kind === 'libvirt') return walk(kind, source, head);
  const tee = new Tee(source);
  const walking = walk(kind, tee.back, head).finally(() => tee.leave());
  const decoding = decode(kind, tee.front, head, settings).finally(() => tee.end());
  const [walked, decoded] = await Promise.allSettled([walking, decoding]);
  // The receiver's error has precedence, because `receive` would report it.
  if (decoded.status === 'rejected') throw toRamferryError(decoded.reason);
  if (walked.status === 'rejected') throw toRamferryError(walked.reason);
  // Frames of other programs do not always state their decoded size.
  const report = { ...walked.value, decodedBytes: decoded.value.bytes };
  const { recognised } = decoded.value;
  const followed = report.container === 'native' && report.header.grammar === GRAMMAR_ID.qemu;
  return followed ? { ...report, recognised } : report;
}

function walk(kind: StreamKind, source: ByteSource, head: Uint8Array): Promise<InspectReport> {
  switch (containerOf(kind)) {
    case 'native':
      return inspectNative(source, head);
    case 'xen':
      return inspectXen(source, head, kind as XenKind);
    case 'frames':
      return inspectFrames(source, head);
    case 'plain': {
      if (kind === 'qemu' || kind === 'libvirt') return inspectPlain(source, head, kind);
      const error = new RamferryError('ERR_STREAM_MAGIC', 'the input is nothing that `inspect` knows', {
        offset: 0,
        hint: 'give it what `ramferry send` wrote, a stream of QEMU or Xen, or frames of zstd, lz4 or gzip',
      });
      return Promise.reject(error);
    }
  }
}

/** Walks a stream that is not compressed, as `send` would. */
async function inspectPlain(
  source: ByteSource,
  head: Uint8Array,
  format: PlainReport['format'],
): Promise<PlainReport> {
  const follower = new Follower(format);
  const buffer = Buffer.allocUnsafe(MIB);
  follower.take(head);
  for (let got = await source.read(buffer); got > 0; got = await source.read(buffer)) {
    follower.take(buffer.subarray(0, got));
  }
  const { bytes } = follower;
  return {
    container: 'plain',
    format,
    decodedBytes: bytes,
    streamBytes: bytes,
    recognised: follower.end(),
  };
}

async function decode(
  kind: StreamKind,
  source: ByteSource,
  head: Uint8Array,
  settings: ResolvedReceiveOptions,
): Promise<InletOutcome & { readonly recognised: Recognised }> {
  const { decompressThreads, memoryLimit, zstdBinding, signal } = settings;
  // No I/O timeout: no peer waits for the report.
  const plan = planRestore({ decompressThreads, memoryLimit, zstdBinding });
  // Only a stream of QEMU is followed; in any other the grammar finds no magic and gives up at once.
  const sink = new FollowingSink('qemu');
  const ends = { source, head, sink };
  const receiving = openReceiver(kind, plan, ends, { statistics: new Statistics() });
  const forget = onAbort(signal, () => {
    receiving.abort(toRamferryError(signal!.reason, 'ERR_INTERRUPTED'));
  });
  try {
    const outcome = await receiving.run();
    return { ...outcome, recognised: sink.follower.end() };
  } finally {
    forget();
  }
}
