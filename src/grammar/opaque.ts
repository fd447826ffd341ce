// Bytes of unknown structure: blocks of 4 KiB, aligned to the start of the stream, are pages without identity, so that zero
// blocks and duplicates are still found. A shorter block at the end is skeleton.
// OpaqueTail does the same for the rest of a stream that a grammar no longer follows.

import { PAGE_BYTES } from '../page/size.js';
import {
  NO_IDENTITY,
  type Grammar,
  type ScanEnd,
  type SegmentSink,
  type StreamEnd,
  unseen,
} from './grammar.js';
import { isFull } from './room.js';

export interface TailOptions {
  /** Reports only skeleton: the bytes are known to hold no pages (device state). */
  readonly skeleton?: boolean;
  /**
   * The reader waits for single pages: every byte is reported at once, as skeleton, without waiting for a complete block, and a
   * flush follows each scan.
   */
  readonly urgent?: boolean;
}

/** The rest of a stream, from the given offset on. */
export class OpaqueTail {
  /** Bytes until the next block starts. */
  #lead: number;
  readonly #blocks: boolean;
  readonly #urgent: boolean;

  /** @param offset bytes of the stream consumed before; determines the alignment of the blocks */
  constructor(offset: number, options: TailOptions = {}) {
    this.#lead = (PAGE_BYTES - (offset % PAGE_BYTES)) % PAGE_BYTES;
    this.#urgent = options.urgent === true;
    this.#blocks = options.skeleton !== true && !this.#urgent;
  }

  /** As {@link Grammar.scan}. */
  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    const length = data.length;
    if (length === 0 || isFull(out)) return 0;
    if (!this.#blocks) {
      out.skeleton(length);
      if (this.#urgent) out.flush();
      return length;
    }
    let at = 0;
    if (this.#lead > 0) {
      at = Math.min(this.#lead, length);
      this.#lead -= at;
      out.skeleton(at);
    }
    const pages = Math.floor((length - at) / PAGE_BYTES);
    if (pages > 0 && !isFull(out)) {
      out.pages(pages, NO_IDENTITY);
      at += pages * PAGE_BYTES;
    }
    if (atEnd && at < length && !isFull(out)) {
      out.skeleton(length - at);
      at = length;
    }
    return at;
  }
}

const CLIENT_HELLO_BYTES = 6;

/** The first record of a TLS connection (RFC 8446, 5.1): handshake, version 3.x, length, ClientHello. */
function isClientHello(data: Uint8Array): boolean {
  return data[0] === 0x16 && data[1] === 3 && data[2]! <= 3 && data[5] === 1;
}

export class OpaqueGrammar implements Grammar {
  readonly name = 'opaque';
  readonly state: ScanEnd = 'open';
  opaqueBecause: string | undefined;
  hint: string | undefined;
  readonly #tail = new OpaqueTail(0);
  #begun = false;

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    // The tail consumes nothing before it has a whole block, so the first bytes are seen together.
    if (!this.#begun && data.length >= CLIENT_HELLO_BYTES && isClientHello(data)) {
      this.opaqueBecause = 'a TLS connection, which is encrypted';
      this.hint = "turn TLS off in the hypervisor (QEMU: tls-creds '') and use ramferry's own: --tls-creds";
    }
    const n = this.#tail.scan(data, atEnd, out);
    this.#begun ||= n > 0;
    return n;
  }

  end(): StreamEnd {
    return unseen('a stream of unknown structure has no mark at its end');
  }
}
