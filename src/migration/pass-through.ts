// Hands a stream on as it comes: an uncompressed migration stream (which `receive` must always accept), or anything at
// all when the user says so. Nothing can be verified: the outcome says so.

import { Buffer } from 'node:buffer';

import { type RamferryError, toRamferryError } from '../errors.js';
import { hangUp, type Outcome, type ReceiverSettings, type Receiving } from './receiving.js';

const BUFFER_BYTES = 1024 * 1024;

export class PassThrough implements Receiving {
  readonly #settings: ReceiverSettings;
  #failure: RamferryError | undefined;

  constructor(settings: ReceiverSettings) {
    this.#settings = settings;
  }

  abort(error: RamferryError): void {
    this.#failure ??= error;
    hangUp(this.#settings);
  }

  async run(): Promise<Outcome> {
    const { source, sink, head, statistics } = this.#settings;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    let bytes = 0;
    try {
      source.patience?.(0);
      for (let piece: Uint8Array = head; ;) {
        if (piece.length > 0) await sink.write(piece);
        bytes += piece.length;
        statistics.guestBytes += piece.length;
        statistics.linkBytes += piece.length;
        const got = await source.read(buffer);
        if (got === 0) break;
        piece = buffer.subarray(0, got);
      }
    } catch (thrown) {
      throw this.#failure ?? toRamferryError(thrown);
    }
    return { bytes, verified: false };
  }
}
