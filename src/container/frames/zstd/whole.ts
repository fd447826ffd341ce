// Decodes foreign zstd with @mongodb-js/zstd, which accepts only whole frames and has no limit of the decoded size.
// So the engine collects a frame up to a limit. The frame must state its size, and its blocks must not be able to exceed it by much.

import { loadModule } from '../../../codec/binding.js';
import type { ZstdFrameHeader } from '../../../codec/zstd-frame.js';
import { RamferryError } from '../../../errors.js';
import { MIB } from '../../../units.js';
import type { Emit } from '../cursor.js';
import { MAX_WHOLE_FRAME } from '../limits.js';
import { noStreamingZstd, zstdFailure } from './binding.js';
import type { ZstdEngine } from './engine-type.js';

/** Upper limit of the sum of the blocks' bounds, as a multiple of the stated size. Usual encoders stay below it. */
const BOUND_FACTOR = 4;
const BOUND_SLACK = MIB;

/** The part of the package that ramferry uses. */
interface MongoZstd {
  decompress(frame: Buffer): Promise<Buffer>;
}

export class WholeFrameEngine implements ZstdEngine {
  #parts: Buffer[] = [];
  #held = 0;
  #contentSize = 0;
  #bound = 0;
  #offset = 0;

  start(header: ZstdFrameHeader, offset: number): void {
    this.#offset = offset;
    if (header.contentSize === undefined || header.contentSize > MAX_WHOLE_FRAME)
      throw noStreamingZstd(this.#offset);
    this.#contentSize = header.contentSize;
    this.#bound = 0;
    this.close();
  }

  block(maxDecoded: number): void {
    this.#bound += maxDecoded;
    if (this.#bound > BOUND_FACTOR * this.#contentSize + BOUND_SLACK) throw noStreamingZstd(this.#offset);
  }

  push(bytes: Uint8Array): Promise<void> {
    // Copied, because the caller reuses the memory.
    this.#parts.push(Buffer.from(bytes));
    this.#held += bytes.length;
    // Empty blocks add nothing to the bound, but the engine holds their bytes too.
    const tooLong = this.#held > BOUND_FACTOR * this.#contentSize + BOUND_SLACK;
    return tooLong ? Promise.reject(noStreamingZstd(this.#offset)) : Promise.resolve();
  }

  async finish(emit: Emit): Promise<void> {
    const frame = Buffer.concat(this.#parts, this.#held);
    this.close();
    const decoded = await decompress(frame, this.#offset);
    if (decoded.length !== this.#contentSize) {
      throw new RamferryError('ERR_STREAM_CODEC', 'a zstd frame has another size than its header says', {
        offset: this.#offset,
      });
    }
    if (decoded.length > 0) await emit(decoded);
  }

  close(): void {
    this.#parts = [];
    this.#held = 0;
  }
}

async function decompress(frame: Buffer, offset: number): Promise<Buffer> {
  // The package's own wrapper adds nothing; its bindings have no types.
  const binding = loadModule('@mongodb-js/zstd/bindings') as MongoZstd;
  try {
    return await binding.decompress(frame);
  } catch (thrown) {
    throw zstdFailure(thrown, offset);
  }
}
