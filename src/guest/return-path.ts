// Messages from a simulated destination to its source, as in QEMU's return path: u16 type, u16 length, data, all
// big-endian. SHUT is the acknowledgement that ends the downtime; a private message with the hash of RAM follows it.
// Messages may arrive in any fragments; knows nothing of the migration stream.

import { Buffer } from 'node:buffer';
import { RamferryError } from '../errors.js';
import type { ByteSink } from '../io/bytes.js';
import type { FieldReader } from './stream/field-reader.js';

/** Message types: 1 and 2 are QEMU's (migration/migration.h), the last one is private to the simulated guest. */
export const MESSAGE = { shut: 1, pong: 2, hash: 0x5247 } as const;

/** Longest accepted message; QEMU's own are shorter. */
const MAX_MESSAGE_BYTES = 512;

export interface Message {
  readonly type: number;
  readonly data: Buffer;
}

export async function sendMessage(sink: ByteSink, type: number, data: Uint8Array): Promise<void> {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(data.length, 2);
  await sink.write(Buffer.concat([head, data]));
}

/** A number as the data of SHUT (0 = all is well) and PONG. */
export function messageNumber(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value);
  return data;
}

/** @throws RamferryError ERR_STREAM_TRUNCATED, ERR_STREAM_LIMIT, or the link's error */
export async function readMessage(reader: FieldReader): Promise<Message> {
  await reader.need(4, 'a message on the return path');
  const type = reader.u16be();
  const length = reader.u16be();
  if (length > MAX_MESSAGE_BYTES) {
    throw new RamferryError('ERR_STREAM_LIMIT', `a message of ${length} bytes on the return path`, {
      offset: reader.offset,
    });
  }
  await reader.need(length, 'a message on the return path');
  return { type, data: Buffer.from(reader.take(length)) };
}

/**
 * The data of the first message of this type; other messages (PONG) are skipped.
 * @throws RamferryError ERR_PEER_FAILED for a SHUT message that reports a failure, otherwise as {@link readMessage}
 */
export async function awaitMessage(reader: FieldReader, type: number, bytes: number): Promise<Buffer> {
  for (;;) {
    const message = await readMessage(reader);
    if (message.type === MESSAGE.shut && message.data.some((byte) => byte !== 0)) {
      throw new RamferryError('ERR_PEER_FAILED', 'the destination could not load the guest', {
        hint: 'see what the destination printed',
      });
    }
    if (message.type !== type) continue;
    if (message.data.length === bytes) return message.data;
    throw new RamferryError(
      'ERR_STREAM_FORMAT',
      `message ${type} on the return path has ${message.data.length} bytes, not ${bytes}`,
      { offset: reader.offset },
    );
  }
}
