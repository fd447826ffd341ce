// Receives the findings of an inlet for `inspect`. Uses one buffer for all records and decodes nothing. Verifies the checksum
// of each chunk record and counts the records.

import { Buffer } from 'node:buffer';

import type { ArrivedChunk, Arrivals, Inlet, SlotSizes, StreamNeeds } from '../../container/inlet.js';
import { checkSeal, RecordCount } from './record-count.js';

const UNLIMITED: SlotSizes = { input: Infinity, output: Infinity };
const MEMORY_BYTES = 65_536;

export abstract class RecordWalk implements Arrivals {
  readonly count = new RecordCount();
  /** The limits that the stream announces; absent where the stream has no chunk. */
  announced: StreamNeeds | undefined;
  protected abstract readonly inlet: Inlet;
  #memory = Buffer.alloc(MEMORY_BYTES);

  open(needs: StreamNeeds): SlotSizes {
    this.announced = needs;
    return UNLIMITED;
  }

  room(length: number): Buffer {
    if (length > this.#memory.length) this.#memory = Buffer.alloc(length);
    return this.#memory.subarray(0, length);
  }

  chunk(chunk: ArrivedChunk, body: Buffer): void {
    const { prefix } = this.inlet;
    checkSeal(body.subarray(prefix, prefix + chunk.length), chunk.header!);
    this.add(chunk, body);
    this.count.addRecord(chunk.header!, chunk.length);
  }

  /** Adds a chunk to the inlet's totals, in its turn. */
  protected abstract add(chunk: ArrivedChunk, body: Buffer): void;

  pass(bytes: Uint8Array): void {
    this.inlet.passed(bytes);
  }

  totals(): void {
    this.inlet.verify();
  }

  settle(): void {
    // Findings are processed at once, so none is pending.
  }

  taken(): void {
    // The inlet counts the bytes itself.
  }

  expect(): void {
    // The report contains the stream's header, which has this length.
  }
}
