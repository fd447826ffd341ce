// `receive --probe`: waits for one `tune --probe`, answers its questions (at which rate bytes arrive, how fast this host decompresses),
// and ends. Takes no stream and writes nothing. Memory is bounded: one buffer, whatever is sent.

import { Buffer } from 'node:buffer';

import { usableCodecs } from '../../codec/features.js';
import { type Message, MESSAGE, PROBE_MAGIC, writeMessage } from '../../control/messages.js';
import { resultMessage } from '../../control/negotiation.js';
import { NATIVE_VERSION } from '../../container/native.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';
import { parseAddress } from '../../link/address.js';
import type { OpenOptions } from '../../link/options.js';
import { openInput } from '../../link/open.js';
import { prober } from '../../control/peer-rules.js';
import { nextMessage } from '../../control/channel.js';
import { greetingOf } from '../../control/writer.js';
import { json, type Loaded, PROBE_VERSION, readLoad, type Speed } from './messages.js';
import { selfSpeed } from './self-speed.js';
import { MIB } from '../../units.js';

export interface ServeOptions extends Pick<
  OpenOptions,
  'connectTimeout' | 'ioTimeout' | 'force' | 'signal' | 'onListening' | 'onWarning'
> {
  readonly input: string;
  readonly zstdBinding?: string | undefined;
}

/** What was measured for the other side. */
export interface Served {
  /** The longest load: bytes per second; absent when there was none. */
  readonly linkRate?: number;
  readonly speed?: Speed;
}

const PIECE = MIB;
/** Milliseconds for measuring this host. */
const SPEED_MS = 2_000;
/** A receiver's hello must say what it takes; this one takes no stream. */
const NOTHING = 1;

/** @throws ERR_LINK_…, ERR_OPTION_INVALID for an address that accepts no connections */
export async function serveProbe({ input, zstdBinding, ...options }: ServeOptions): Promise<Served> {
  const address = parseAddress(input);
  if (address.kind !== 'tcp-listen' && address.kind !== 'unix-listen') {
    throw new RamferryError(
      'ERR_OPTION_INVALID',
      `input: a probe is served on tcp-listen:[HOST:]PORT or unix-listen:PATH, got ${input}`,
    );
  }
  const { source, sink } = await openInput(address, {
    ...options,
    peer: prober(),
    greeting: probeGreeting,
  });
  return attend(source!, sink!, zstdBinding);
}

/** The hello of a probe server, sent as soon as there is a connection. */
function probeGreeting(): Buffer {
  return greetingOf({
    software: 'ramferry',
    versions: [NATIVE_VERSION],
    codecs: usableCodecs(),
    maxChunk: NOTHING,
    memory: NOTHING,
    probe: [PROBE_VERSION],
  });
}

/** The exchange over a connection that has been greeted; closes it. */
export async function attend(source: ByteSource, sink: ByteSink, zstdBinding?: string): Promise<Served> {
  const reader = new ExactReader(source);
  try {
    const served = await answerAll(reader, sink, zstdBinding);
    await sink.write(resultMessage({ ok: true }));
    await sink.finish();
    await source.close();
    return served;
  } catch (thrown) {
    const error = inWords(toRamferryError(thrown));
    await sink.write(resultMessage({ ok: false, error: error.toData() })).catch(() => undefined);
    await sink.finish().catch(() => undefined);
    await source.close();
    throw error;
  }
}

async function answerAll(reader: ExactReader, sink: ByteSink, zstdBinding?: string): Promise<Served> {
  const magic = Buffer.alloc(PROBE_MAGIC.length);
  await reader.exactly(magic);
  if (!magic.equals(PROBE_MAGIC)) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'what came is no probe, and no stream is taken here', {
      hint: 'to receive a stream start without --probe',
    });
  }
  let served: Served = {};
  const room = Buffer.allocUnsafe(PIECE);
  for (let message = await next(reader); message !== undefined; message = await next(reader)) {
    const { type, body } = message;
    if (type === MESSAGE.echo) {
      await sink.write(writeMessage(type, body));
    } else if (type === MESSAGE.load) {
      const loaded = await arrive(reader, readLoad(body), room);
      await sink.write(writeMessage(type, json(loaded)));
      if (loaded.tailSeconds > 0) served = { ...served, linkRate: loaded.tailBytes / loaded.tailSeconds };
    } else if (type === MESSAGE.speed) {
      const speed = await selfSpeed({ time: SPEED_MS, zstdBinding });
      await sink.write(writeMessage(type, json(speed)));
      served = { ...served, speed };
    } else {
      throw new RamferryError('ERR_LINK_NEGOTIATION', `the probe asked something unknown (type ${type})`);
    }
  }
  return served;
}

/** The next message; undefined at the end. */
async function next(reader: ExactReader): Promise<Message | undefined> {
  const { offset } = reader;
  try {
    return await nextMessage(reader);
  } catch (thrown) {
    const ended = toRamferryError(thrown).code === 'ERR_STREAM_TRUNCATED' && reader.offset === offset;
    if (ended) return undefined;
    throw thrown;
  }
}

/** Takes so many bytes and measures the time. */
async function arrive(reader: ExactReader, bytes: number, room: Buffer): Promise<Loaded> {
  let left = bytes;
  let first: number | undefined;
  let quarter: { at: number; left: number } | undefined;
  while (left > 0) {
    const got = await reader.some(room.subarray(0, Math.min(left, room.length)));
    if (got === 0) throw reader.truncated(left);
    left -= got;
    const now = performance.now();
    first ??= now;
    if (left <= bytes * 0.75) quarter ??= { at: now, left };
  }
  const end = performance.now();
  return {
    bytes,
    seconds: (end - (first ?? end)) / 1e3,
    tailBytes: quarter?.left ?? 0,
    tailSeconds: (end - (quarter?.at ?? end)) / 1e3,
  };
}

function inWords(error: RamferryError): RamferryError {
  if (error.code !== 'ERR_STREAM_TRUNCATED') return error;
  return new RamferryError('ERR_LINK_CLOSED', 'the probe broke off', { cause: error });
}
