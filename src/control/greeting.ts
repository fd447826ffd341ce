// The receiver's first bytes, read to learn what it offers before its reader above sees them. They are kept, so that the reader above gets
// every byte, and the same errors.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { CONTROL_MAGIC, MESSAGE, MESSAGE_HEADER_BYTES, messageRest, readMessage } from './messages.js';
import { type Hello, readHello } from './negotiation.js';

export class Greeting {
  readonly #source: ByteSource;
  readonly #read: Buffer[] = [];

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#read);
  }

  /** @returns undefined when it is no greeting */
  async read(): Promise<Hello | undefined> {
    try {
      const magic = await this.#take(CONTROL_MAGIC.length);
      if (!magic.equals(CONTROL_MAGIC)) return undefined;
      const header = await this.#take(MESSAGE_HEADER_BYTES);
      const rest = await this.#take(messageRest(header));
      const { type, body } = readMessage(Buffer.concat([header, rest]));
      return type === MESSAGE.hello ? readHello(body) : undefined;
    } catch {
      // The reader above meets the same, and reports it.
      return undefined;
    }
  }

  async #take(bytes: number): Promise<Buffer> {
    const target = Buffer.alloc(bytes);
    for (let at = 0; at < bytes;) {
      const got = await this.#source.read(target.subarray(at));
      if (got === 0) throw new RamferryError('ERR_LINK_CLOSED', `${this.#source.label} ended`);
      this.#read.push(Buffer.from(target.subarray(at, at + got)));
      at += got;
    }
    return target;
  }
}
