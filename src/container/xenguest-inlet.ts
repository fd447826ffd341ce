// The receiving side of method `xenguest`: chunk records inside ramferry's libxc records. All other bytes pass unchanged.
// A stream without ramferry records ends as unverified. The parser checks the rules of the stream.

import type { Buffer } from 'node:buffer';

import type { LibxcRecord } from '../grammar/xen/libxc-records.js';
import type { XenKind } from '../grammar/xen/wrapping.js';
import { TASK } from '../slot/job.js';
import { checkContinues } from './chunk-order.js';
import type { ArrivedChunk, Arrivals, ChunkPages, Delivery, Inlet, InletOutcome } from './inlet.js';
import { located } from './located.js';
import { ENVELOPE_BYTES, isCut, XenguestTotals } from './xenguest.js';
import { type XenguestInput, XenguestParser } from './xenguest/parser.js';

/** Traits of a stream. They are known when the stream has been read. */
export type XenguestTraits = Pick<XenguestParser, 'compressed' | 'cut' | 'bigEndian' | 'offset'>;

export class XenguestInlet implements Inlet {
  readonly task = TASK.decode;
  readonly prefix = ENVELOPE_BYTES;
  readonly #input: XenguestInput;
  readonly #kind: XenKind;
  readonly #onRecord: (record: LibxcRecord) => void;
  readonly #totals = new XenguestTotals();
  /** Totals that the parser has read and `verify` has not yet compared, in stream order. */
  readonly #unverified: { readonly record: LibxcRecord; readonly body: Buffer }[] = [];
  #parser: XenguestParser | undefined;

  /** @param onRecord called at the start of every libxc record */
  constructor(
    input: XenguestInput,
    kind: XenKind,
    onRecord: (record: LibxcRecord) => void = () => undefined,
  ) {
    this.#input = input;
    this.#kind = kind;
    this.#onRecord = onRecord;
  }

  get traits(): XenguestTraits {
    return this.#parser!;
  }

  read(arrivals: Arrivals): Promise<void> {
    this.#parser = new XenguestParser(this.#input, this.#kind, {
      arrivals,
      onTotals: (record, body) => void this.#unverified.push({ record, body }),
      onRecord: this.#onRecord,
    });
    return this.#parser.run();
  }

  deliver(chunk: ArrivedChunk, { input }: Pick<Delivery, 'input'>): ChunkPages {
    const header = chunk.header!;
    checkContinues(chunk, header.offset, this.#totals.decodedBytes);
    const record = input.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + chunk.length);
    this.#totals.chunk(header, input.subarray(0, ENVELOPE_BYTES), record);
    return header;
  }

  passed(bytes: Uint8Array): void {
    this.#totals.verbatim(bytes);
  }

  verify(): void {
    const { record, body } = this.#unverified.shift()!;
    try {
      this.#totals.verify(body, isCut(body));
    } catch (thrown) {
      // The parser reads the totals of a truncated input without the walk, so that record has no number.
      const { number, offset } = record;
      throw located(thrown, { offset, ...(number < 0 ? {} : { record: number }) });
    }
  }

  outcome(): InletOutcome {
    // read() has thrown for a compressed stream whose totals are missing or differ.
    const { decodedBytes } = this.#totals;
    return { bytes: decodedBytes, verified: this.#parser!.compressed, sums: this.#totals.sums() };
  }
}
