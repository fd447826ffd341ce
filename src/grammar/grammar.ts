// The interface of a grammar: it follows one stream format and separates skeleton from pages.
// A grammar takes the stream in any split, never looks back, holds bounded memory and knows nothing of compression.
// A grammar never fails: where it meets something unknown, the rest of the stream is opaque.

/** A page without an identity (a block of an opaque stream). */
export const NO_IDENTITY = -1;
/** A block that is known not to be guest memory: the holes and bitmaps of a mapped-ram file. Not counted as a page of the guest. */
export const NO_PAGE = -2;

/** Receives what a grammar finds, in stream order. The calls cover every consumed byte exactly once. */
export interface SegmentSink {
  /** The sink has no room for another call: scan returns after the current item. */
  readonly full: boolean;
  /** n bytes of skeleton. */
  skeleton(n: number): void;
  /** n unsigned 64-bit words of skeleton that usually form progressions (page numbers, addresses). */
  words(n: number, bigEndian: boolean): void;
  /**
   * n whole pages that follow each other in the stream.
   * @param identity of the first page (the following pages count up by one), or NO_IDENTITY or NO_PAGE. An integer below 2^53.
   */
  pages(n: number, identity: number): void;
  /**
   * Bytes from here on belong to page data (true) or to other records of the stream (false, the initial state).
   * Method `xenguest` leaves bytes of other records untouched; all other methods ignore this call.
   */
  pageData(inside: boolean): void;
  /** The bytes so far must leave at once: the writer may wait for the reader's answer. */
  flush(): void;
  /** Method `xenguest` writes its totals record here: before END and before each CHECKPOINT. */
  totals(): void;
  /**
   * The last skeleton is a libxc image header or a domain header. Method `xenguest` marks a compressed stream at both.
   * Absent where the sink sets no marks.
   */
  header?(what: 'image' | 'domain'): void;
  /**
   * The bytes up to the end of the input have no known structure. The grammar reports them as blocks and skeleton, or only as
   * skeleton where this method is absent.
   */
  rest?(): void;
}

/** Whether a stream goes on after the consumed bytes. */
export type ScanEnd =
  /** more bytes are expected */
  | 'open'
  /** the stream is over: later bytes of the descriptor belong to another reader */
  | 'done';

/** How a stream ended. */
export type StreamEnd =
  /** The format marks its end, and the mark came. */
  | { readonly state: 'seen' }
  /** `incomplete`: the stream broke off before its end. `unseen`: a complete stream and a broken one cannot be distinguished. */
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
   * @param data exactly the bytes not consumed so far
   * @param atEnd no further bytes will come: everything must be consumed
   * @returns how many bytes were consumed. Less than all only when an item (a page, a record header, at most
   *   MAX_LOOKAHEAD bytes) is not complete yet, when the stream is done, or when `out` is full.
   */
  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number;
  readonly state: ScanEnd;
  /**
   * For a grammar that knows its end: how many further bytes certainly belong to the stream, so that a reader of a shared
   * descriptor takes no byte behind the end. At least 1 while open; absent = no bound.
   */
  readonly mayRead?: number;
  /** The guest is paused, so each delay counts as downtime: bytes do not wait for a full chunk. */
  readonly downtime?: boolean;
  /**
   * The decoded offset at which the final part begins. A reader that has bytes from there on may run the guest, now or later.
   * Infinity before that part; undefined where the format does not mark it, so that any byte may be the last.
   */
  readonly finalFrom?: number | undefined;
  /**
   * Bytes of guest memory that the first round has not sent yet, zero pages included. Undefined where the format does not say how much
   * memory there is. Counts down to 0 and stays there in later rounds.
   */
  readonly ramLeft?: number | undefined;
  /**
   * Bytes behind the consumed ones that are pages or holes whatever their values are, so that a reader of a regular file need not look at
   * them. Only in a mapped-ram file of QEMU.
   */
  readonly passable?: number;
  /**
   * The guest runs at the destination already (postcopy): where the connection breaks, the hypervisor may go on with another one. The
   * connection's end, or its break, says nothing of the guest.
   */
  readonly mayGoOn?: boolean;
  /** For a libxc stream: the byte order of its records. */
  readonly bigEndian?: boolean;
  /** True once the stream has contained records that ramferry compressed: it cannot be compressed again. */
  readonly compressed?: boolean;
  /** Set when a well-formed stream lacks records that every complete one has: which ones, and where. It must not be sent. */
  readonly damage?:
    { readonly message: string; readonly record: number; readonly offset: number } | undefined;
  /** Reported bytes behind the stream's own end. */
  readonly bytesBehindEnd?: number;
  /** Set when the grammar stopped to follow the stream: why the rest is opaque. For logs and statistics. */
  readonly opaqueBecause: string | undefined;
  /** The setting of the hypervisor with which more pages would be recognised; undefined where none would help. */
  readonly hint?: string | undefined;
  /** How the stream ended. Valid once all of the input is consumed, or the stream is done. */
  end(): StreamEnd;
}

/** Bytes that a grammar leaves unconsumed at most: one page and the header before it. */
export const MAX_LOOKAHEAD = 8192;

/** Grammar numbers in the header of a native stream; informative for a receiver. 0 is never valid. */
export const GRAMMAR_ID = { raw: 1, opaque: 2, libxc: 3, qemu: 4, memory: 5 } as const;
/** Which grammar walks a stream. */
export type GrammarName = keyof typeof GRAMMAR_ID;
