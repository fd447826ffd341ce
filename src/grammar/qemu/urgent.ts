// The grammar of a further channel of QEMU that is no multifd channel: single pages of postcopy, or the main stream that goes on after a broken
// postcopy. The guest waits for the bytes, so they leave at once, whatever they are.

import { type Grammar, type ScanEnd, SEEN, type SegmentSink, type StreamEnd, unseen } from '../grammar.js';
import { OpaqueTail } from '../opaque.js';
import { SECTION } from './format.js';

export class UrgentGrammar implements Grammar {
  readonly name = 'qemu';
  readonly state: ScanEnd = 'open';
  readonly opaqueBecause = undefined;
  /** No byte is the last that the destination waits for: the guest runs there already. */
  readonly finalFrom = 0;
  readonly mayGoOn = true;
  readonly #tail = new OpaqueTail(0, { urgent: true });
  #first: number | undefined;

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    this.#first ??= data[0];
    return this.#tail.scan(data, atEnd, out);
  }

  /** A main stream that goes on begins with a command, single pages with the first byte of an address. */
  end(): StreamEnd {
    return this.#first === SECTION.command ? unseen('postcopy') : SEEN;
  }
}
