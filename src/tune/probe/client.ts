// `tune --probe`: asks a `ramferry receive --probe` for the link's rate, the round trip, and the other host's speed of decompression.
// Bounded in time; errors name the side that failed. No guest memory travels: random bytes load the link, and both hosts
// measure their speed on memory that they generate.

import { randomFillSync } from 'node:crypto';
import { Buffer } from 'node:buffer';

import { MESSAGE, PROBE_MAGIC, writeMessage } from '../../control/messages.js';
import { peerFailure, readResult } from '../../control/negotiation.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { AwakeTimer } from '../../os/time/awake-timer.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';
import { parseAddress } from '../../link/address.js';
import { openOutput } from '../../link/open.js';
import { nextMessage, readGreeting } from '../../control/channel.js';
import { loadBody, MAX_LOAD, PROBE_VERSION, readLoaded, readSpeed, type Speed } from './messages.js';
import { MIB } from '../../units.js';

/** What a probe found. Rates in bytes of payload per second, times in seconds. */
export interface ProbeResult {
  readonly linkRate: number;
  readonly roundTrip: number;
  /** Of the other host. */
  readonly speed: Speed;
}

export interface ProbeOptions {
  /** Bytes per second that may leave, 0 = no limit. */
  readonly maxBandwidth?: number;
  readonly signal?: AbortSignal | undefined;
}

const ECHOES = 10;
/** Seconds that a load must take to measure the link's rate. */
const LONG_ENOUGH = 0.4;
/** Seconds that the next load should take, by the rate of the one before. */
const WANTED = 0.6;
const FIRST_LOAD = 65_536;
const MOST_LOADS = 10;
/** How much more one load may be than the one before it. */
const GROWTH = 16;
const PIECE = MIB;
/** Milliseconds for the whole probe, connected or not. */
const PATIENCE_MS = 45_000;

/** @throws ERR_LINK_…, ERR_PEER_FAILED, ERR_OPTION_INVALID for an address that is none of a listener */
export async function probe(address: string, options: ProbeOptions = {}): Promise<ProbeResult> {
  const parsed = parseAddress(address);
  if (parsed.kind !== 'tcp' && parsed.kind !== 'unix') {
    throw new RamferryError(
      'ERR_OPTION_INVALID',
      `probe: expected tcp:HOST:PORT or unix:PATH, got ${address}`,
    );
  }
  const controller = new AbortController();
  const timer = AwakeTimer.start(PATIENCE_MS, () => {
    controller.abort(new RamferryError('ERR_LINK_TIMEOUT', `the probe of ${address} took too long`));
  });
  const forget = onAbort(options.signal, () => controller.abort(options.signal!.reason));
  try {
    options.signal?.throwIfAborted();
    const { maxBandwidth = 0 } = options;
    const { source, sink } = await openOutput(parsed, { signal: controller.signal, maxBandwidth });
    return await converse(source!, sink!);
  } finally {
    timer.cancel();
    forget();
  }
}

/** The exchange over a connection that is open; closes it. */
export async function converse(source: ByteSource, sink: ByteSink): Promise<ProbeResult> {
  const reader = new ExactReader(source);
  try {
    const { probe: versions } = await readGreeting(reader);
    if (versions?.includes(PROBE_VERSION) !== true) throw refused(versions);
    await sink.write(PROBE_MAGIC);
    const roundTrip = await echo(reader, sink);
    const linkRate = await rate(reader, sink);
    const speed = readSpeed(await ask(reader, sink, MESSAGE.speed, Buffer.alloc(0)));
    await sink.finish();
    const { type, body } = await nextMessage(reader);
    if (type !== MESSAGE.result) throw unexpected(type);
    const result = readResult(body);
    if (!result.ok) throw peerFailure(result);
    await source.close();
    return { linkRate, roundTrip, speed };
  } catch (thrown) {
    await sink.abort();
    await source.close();
    const error = toRamferryError(thrown);
    if (error.code !== 'ERR_STREAM_TRUNCATED') throw error;
    throw new RamferryError('ERR_LINK_CLOSED', 'the receiver closed the link in the middle of the probe', {
      cause: error,
      hint: 'look at the receiving side',
    });
  }
}

/** The least of some round trips. */
async function echo(reader: ExactReader, sink: ByteSink): Promise<number> {
  let least = Infinity;
  for (let count = 0; count < ECHOES; count++) {
    const started = performance.now();
    const body = Buffer.from([count]);
    if (!(await ask(reader, sink, MESSAGE.echo, body)).equals(body)) throw wrongEcho();
    least = Math.min(least, performance.now() - started);
  }
  return least / 1e3;
}

/** Larger and larger loads, until one takes long enough. */
async function rate(reader: ExactReader, sink: ByteSink): Promise<number> {
  // Random bytes: a link that compresses must not look faster.
  const noise = randomFillSync(Buffer.allocUnsafe(PIECE));
  let bytes = FIRST_LOAD;
  let found = 0;
  for (let count = 0; count < MOST_LOADS; count++) {
    await sink.write(writeMessage(MESSAGE.load, loadBody(bytes)));
    for (let left = bytes; left > 0; left -= PIECE)
      await sink.write(noise.subarray(0, Math.min(left, PIECE)));
    const loaded = readLoaded(await answer(reader, MESSAGE.load));
    const { tailBytes, tailSeconds, seconds } = loaded;
    // A load that arrived at once measures nothing yet.
    const measured = tailSeconds > 0 ? tailBytes / tailSeconds : 0;
    found = Math.max(measured, 1);
    if (seconds >= LONG_ENOUGH) break;
    const next = measured === 0 ? bytes * GROWTH : Math.min(bytes * GROWTH, measured * WANTED);
    bytes = Math.min(MAX_LOAD, Math.ceil(Math.max(next, bytes * 2)));
  }
  return found;
}

async function ask(reader: ExactReader, sink: ByteSink, type: number, body: Buffer): Promise<Buffer> {
  await sink.write(writeMessage(type, body));
  return answer(reader, type);
}

async function answer(reader: ExactReader, wanted: number): Promise<Buffer> {
  const { type, body } = await nextMessage(reader);
  const result = type === MESSAGE.result ? readResult(body) : undefined;
  if (result?.ok === false) throw peerFailure(result);
  if (type !== wanted) throw unexpected(type);
  return body;
}

function refused(versions: readonly number[] | undefined): RamferryError {
  return versions === undefined
    ? new RamferryError('ERR_LINK_NEGOTIATION', 'the receiver at the other end does not serve probes', {
        hint: 'start `ramferry receive --probe` there',
      })
    : new RamferryError(
        'ERR_LINK_NEGOTIATION',
        `the receiver serves other versions of the probe: ${versions.join(', ')}, not ${PROBE_VERSION}`,
        { hint: 'update the older side' },
      );
}

function wrongEcho(): RamferryError {
  return new RamferryError('ERR_LINK_NEGOTIATION', 'the receiver echoes something else than it was sent');
}

function unexpected(type: number): RamferryError {
  return new RamferryError('ERR_LINK_NEGOTIATION', `the receiver sent an unexpected message (type ${type})`);
}
