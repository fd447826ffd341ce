// Sums that both sides of a transfer keep: decoded bytes, chunks and the digest of the container. The receiver sends its sums in
// the result message (docs/FORMAT.md, "The way back"). The sender accepts a success only if they equal its own. Pure.

import { RamferryError } from '../errors.js';

export interface StreamSums {
  /** Decoded bytes. */
  readonly bytes: number;
  /** Chunk records, or frames of method `stream`. */
  readonly chunks: number;
  /** The digest that the END record, the totals record or the totals frame states. */
  readonly digest: bigint;
}

/** The sums in a result message. Version 0.1 sends only `bytes`. The digest has 16 hexadecimal digits. */
export interface StatedSums {
  readonly bytes?: number | undefined;
  readonly chunks?: number | undefined;
  readonly digest?: string | undefined;
}

export function statedSums({ bytes, chunks, digest }: StreamSums): Required<StatedSums> {
  return { bytes, chunks, digest: digestText(digest) };
}

/** 16 hexadecimal digits. */
export function digestText(digest: bigint): string {
  return digest.toString(16).padStart(16, '0');
}

/**
 * Compares the receiver's sums with the sender's.
 * @throws ERR_LINK_NEGOTIATION when `bytes` is missing, or any sum in the message differs
 */
export function checkSums(stated: StatedSums, sent: StreamSums): void {
  const { bytes, chunks, digest } = stated;
  if (bytes === undefined) throw wrong('does not say how many bytes it delivered');
  if (bytes !== sent.bytes) throw wrong(`delivered ${bytes} bytes, and ${sent.bytes} were sent`);
  if (chunks !== undefined && chunks !== sent.chunks) {
    throw wrong(`delivered ${chunks} chunks, and ${sent.chunks} were sent`);
  }
  if (digest !== undefined && digest !== digestText(sent.digest)) {
    throw wrong(`has the digest ${digest}, and ${digestText(sent.digest)} was sent`);
  }
}

function wrong(what: string): RamferryError {
  return new RamferryError('ERR_LINK_NEGOTIATION', `the receiver reports success, but ${what}`, {
    hint: 'the destination does not hold what was sent: do not use it; is `ramferry receive` at the other end?',
  });
}
