// What a grammar is: it follows one stream format and tells skeleton from pages.
// It is fed the stream in any split, never looks back, holds bounded memory, and knows nothing of compression.
// A grammar never fails: where it meets something unknown, the rest of the stream is skeleton.

/** A page without an identity (a block of an opaque stream). */
export const NO_IDENTITY = -1;

/** Receives what a grammar finds, in stream order. The calls cover every consumed byte exactly once. */
export interface SegmentSink {
  /** The sink has no room for another call: return from scan after the item at hand. */
  readonly full: boolean;
  /** n bytes of skeleton. */
  skeleton(n: number): void;
  /** n unsigned 64-bit words of skeleton that are usually in progressions (page numbers, addresses). */
  words(n: number, bigEndian: boolean): void;
  /**
   * n whole pages that follow each other in the stream.
   * @param identity of the first page (those after it count up by one), or NO_IDENTITY. An integer below 2^53.
   */
  pages(n: number, identity: number): void;
  /**
   * Bytes from here on belong to page data (true) or to other records of the stream (false, the initial state).
   * Method `xenguest` leaves bytes of other records untouched; elsewhere it does not matter.
   */
  pageData(inside: boolean): void;
  /** What came so far must leave at once: the reader may answer before it writes on. */
  flush(): void;
  /** The totals record of method `xenguest` has its place here: before END and each CHECKPOINT. */
  totals(): void;
  /**
   * The skeleton reported last is a libxc image header, or its domain header: method `xenguest` marks a compressed stream at
   * both. Absent where the sink sets no marks.
   */
  header?(what: 'image' | 'domain'): void;
  /**
   * Bytes from here on to the end of the input are of no known structure; reported as blocks and skeleton. Absent: they are
   * reported as skeleton.
   */
  rest?(): void;
}

/** Whether a stream goes on after what was consumed. */
export type ScanEnd =
  /** more bytes are expected */
  | 'open'
  /** the stream is over: what follows on the same descriptor belongs to somebody else */
  | 'done';

/** How a stream ended. */
export type StreamEnd =
  /** Its format tells its end, and that was there. */
  | { readonly state: 'seen' }
  /** `incomplete`: it broke off before its end. `unseen`: the end cannot be told from a place where it broke off. */
  | { readonly state: 'incomplete' | 'unseen'; readonly because: string };

export const SEEN: StreamEnd = { state: 'seen' };

export function unseen(because: string): StreamEnd {
  return { state: 'unseen', because };
}

export function incomplete(because: string): StreamEnd {
  return { state: 'incomplete', because };
}

export interface Grammar {
  readonly name: GrammarName;
  /**
   * Consumes a prefix of `data` and reports it to `out`.
   * @param data the bytes not consumed so far; only those.
   * @param atEnd no further bytes will come: everything must be consumed.
   * @returns how many bytes were consumed. Less than all only when an item (a page, a record header, at most
   *   MAX_LOOKAHEAD bytes) is not complete yet, when the stream is done, or when `out` asked to stop.
   */
  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number;
  readonly state: ScanEnd;
  /**
   * For a grammar that knows its end: how many bytes may be read, beyond those it was shown, without the risk of taking
   * bytes that belong to somebody else. At least 1 while open; absent = no bound.
   */
  readonly mayRead?: number;
  /** The guest is paused and what comes now is its downtime: nothing may wait for a full chunk longer than it must. */
  readonly downtime?: boolean;
  /**
   * The decoded offset at which the final part begins: a reader that has bytes from there on may run the guest, or come to run it.
   * Infinity while that part has not come; absent where the format does not tell, and any byte may be the last.
   */
  readonly finalFrom?: number | undefined;
  /** For a libxc stream: the byte order of its records. */
  readonly bigEndian?: boolean;
  /** True once the stream has shown records that ramferry compressed: it cannot be compressed again. */
  readonly compressed?: boolean;
  /** Set when the stream cannot be whole although it is well-formed so far: what it lacks, and where. It must not be sent. */
  readonly damage?:
    { readonly message: string; readonly record: number; readonly offset: number } | undefined;
  /** Bytes behind the stream's own end that were reported so far. */
  readonly bytesBehindEnd?: number;
  /** Set when the walk has ended early: why the rest is opaque. For logs and statistics. */
  readonly opaqueBecause: string | undefined;
  /** How the stream ended. Asked once all of the input was consumed, or the stream is done. */
  end(): StreamEnd;
}

/** A grammar never leaves more than this unconsumed: one page and the header before it. */
export const MAX_LOOKAHEAD = 8192;

/** Grammar numbers as they stand in a stream's header; informative for a receiver. 0 is never valid. */
export const GRAMMAR_ID = { raw: 1, opaque: 2, libxc: 3, qemu: 4, memory: 5 } as const;
export type GrammarName = keyof typeof GRAMMAR_ID;
