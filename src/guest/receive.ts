// The simulated destination: rebuilds RAM from a QEMU or libxc stream, acknowledges it over a return path if there is
// one, and compares RAM with the source's hash. Reports success only for a complete stream.

import { Buffer } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { RamferryError } from '../errors.js';
import { QEMU_MAGIC } from '../grammar/magics.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { systemClock, type Clock } from './clock.js';
import { FieldReader } from './stream/field-reader.js';
import { readLibxcGuest } from './stream/libxc-reader.js';
import { q35Machine, type QemuDevice } from './stream/qemu-machine.js';
import { readQemuGuest } from './stream/qemu-reader.js';
import type { GuestRam } from './ram.js';
import type { ReceivedGuest } from './received.js';
import { MESSAGE, messageNumber, sendMessage } from './return-path.js';

export interface ReceiveGuestOptions {
  /** Upper limit of RAM in bytes. */
  readonly limitBytes: number;
  /** QEMU: the machine's devices (default: those of a simulated source). */
  readonly devices?: readonly QemuDevice[];
  /** XXH64 of the source's RAM, if the caller knows it. */
  readonly expectedHash?: bigint;
  readonly clock?: Clock;
}

export interface ReceiveGuestReport {
  readonly format: 'qemu' | 'libxc';
  readonly ram: GuestRam;
  /** Pages received, pages sent again included. */
  readonly pages: number;
  /** Passes over memory, the stop-and-copy round included if it had pages. */
  readonly passes: number;
  /** Bytes of the stream. */
  readonly bytes: number;
  readonly milliseconds: number;
  /** XXH64 of RAM. */
  readonly hash: bigint;
  /** Whether the destination has compared RAM with a hash. Over a return path the source compares. */
  readonly verified: boolean;
}

/**
 * Reads one guest. Without a return path it reads to the end of the input, with one to the end of the stream.
 * @throws RamferryError ERR_STREAM_… for a damaged, cut, unknown or too large stream, ERR_STREAM_CHECKSUM when RAM
 *   differs from the source's, ERR_STREAM_TRAILING for bytes after the stream, or the link's error. The channel is
 *   closed then.
 */
export async function receiveGuest(
  channel: Channel,
  options: ReceiveGuestOptions,
): Promise<ReceiveGuestReport> {
  const { source, sink } = channel;
  if (source === undefined)
    throw new RamferryError('ERR_USAGE', 'a destination needs a link that gives bytes');
  const back = channel.duplex ? sink : undefined;
  try {
    const report = await receive(source, back, options);
    await sink?.finish();
    await source.close();
    return report;
  } catch (thrown) {
    // The source may have closed the link, so a failed send is ignored. The first failure is reported.
    if (back !== undefined) await sendMessage(back, MESSAGE.shut, messageNumber(1)).catch(() => undefined);
    await Promise.all([sink?.abort(), source.close()]);
    throw thrown;
  }
}

async function receive(
  source: ByteSource,
  back: ByteSink | undefined,
  options: ReceiveGuestOptions,
): Promise<ReceiveGuestReport> {
  const clock = options.clock ?? systemClock;
  const reader = new FieldReader(source);
  const startedAt = clock.now();
  const start = await reader.peek(4);
  const format = start.equals(QEMU_MAGIC) ? 'qemu' : 'libxc';
  const guest =
    format === 'qemu'
      ? await readQemuGuest(reader, {
          devices: options.devices ?? q35Machine(0, 0).devices,
          limitBytes: options.limitBytes,
          onPing: async (value) => {
            if (back !== undefined) await sendMessage(back, MESSAGE.pong, messageNumber(value));
          },
        })
      : await readLibxcGuest(reader, options);
  const bytes = reader.offset;
  // A real guest would resume here, so no slow work may precede the acknowledgement.
  if (back !== undefined) await sendMessage(back, MESSAGE.shut, messageNumber(0));
  const milliseconds = clock.now() - startedAt;
  // A source in the same process must see the acknowledgement before this thread hashes RAM.
  await setImmediate();
  if (reader.has(1) || (back === undefined && !(await reader.atEnd()))) {
    throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the end of the stream', { offset: bytes });
  }
  const hash = guest.ram.hash();
  const verified = compare(guest, hash, options.expectedHash);
  if (back !== undefined) {
    const data = Buffer.alloc(8);
    data.writeBigUInt64BE(hash);
    await sendMessage(back, MESSAGE.hash, data);
  }
  return {
    format,
    ram: guest.ram,
    pages: guest.pages,
    passes: guest.passes,
    bytes,
    milliseconds,
    hash,
    verified,
  };
}

/** @returns whether there was a hash to compare with */
function compare({ ram, trailer }: ReceivedGuest, hash: bigint, expected: bigint | undefined): boolean {
  if (trailer !== undefined && (trailer.pages !== ram.pages || trailer.hash !== hash)) {
    throw new RamferryError(
      'ERR_STREAM_CHECKSUM',
      `RAM of ${ram.pages} pages differs from the source's ${trailer.pages} pages`,
    );
  }
  if (expected !== undefined && expected !== hash) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'RAM differs from the hash that was given');
  }
  return trailer !== undefined || expected !== undefined;
}
