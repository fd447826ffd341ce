// How bytes arrive and leave: the two interfaces between the links and everything above them.
// A source is read by one reader, a sink is written by one writer, one call at a time.
// Neither knows what the bytes mean.

/** A regular file that may be read by position, from several threads at once. */
export interface PositionedInput {
  readonly path: string;
  /** Descriptor of this process; valid in its worker threads too, until the source is closed. */
  readonly fd: number;
  /** Size in bytes when it was opened. */
  readonly size: number;
  /** Bytes bypass the page cache: offsets, lengths and memory must be aligned to this many bytes (1 = no rule). */
  readonly alignment: number;
}

/** A regular file that we created, still under its temporary name, that may be written by position. */
export interface PositionedOutput {
  readonly fd: number;
  readonly alignment: number;
}

export interface ByteSource {
  /** What this is, for messages: the address as the user gave it. */
  readonly label: string;
  /** Set when the input is a regular file of ours from its start. */
  readonly file?: PositionedInput;
  /** The end of the input is a statement of its own (a file's size, a command's exit status): even no bytes at all are a whole input. */
  readonly tellsEnd?: boolean;
  /**
   * Reads between 1 and target.length bytes into target (shared memory is fine).
   * Resolves with the number of bytes, 0 at the end of the input.
   * Rejects with a RamferryError; after close() pending reads reject with ERR_LINK_CLOSED.
   */
  read(target: Uint8Array): Promise<number>;
  /**
   * How many milliseconds a read may wait without a byte before it rejects with ERR_LINK_TIMEOUT; 0 = for ever (the
   * peer may idle). Counts from now for a pending read, too. Absent where nothing can stall.
   */
  patience?(milliseconds: number): void;
  /**
   * Whether the bytes that were read are one state of the input; present where that can be told (a regular file).
   * Throws ERR_INPUT_CHANGED.
   */
  unchanged?(): void;
  /** Gives everything back. Never rejects, never blocks; safe to call twice and while a read is pending. */
  close(): Promise<void>;
}

export interface ByteSink {
  readonly label: string;
  /** Set when the output is a regular file that we made: then workers may write their own extents. */
  readonly file?: PositionedOutput;
  /**
   * What is written is a file that no program acts on before this transfer has succeeded: an output under its temporary name, or a
   * regular file behind an inherited descriptor. Absent where a reader gets the bytes as they come.
   */
  readonly inert?: boolean;
  /**
   * Takes all the bytes; resolves when the kernel has them (the memory may be reused then).
   * Back-pressure is in the promise: nothing is queued beyond it.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** The same for several pieces in a row; present where one call for all of them is cheaper. */
  writeAll?(pieces: readonly Uint8Array[]): Promise<void>;
  /**
   * The same for bytes that only matter to a peer that is connected now. Present on a listener whose peer is not known yet:
   * what `write` takes there is repeated to a peer that connects later, what this takes is not.
   */
  writeNow?(bytes: Uint8Array): Promise<void>;
  /** Bytes written by this side that the other side may not have read yet, as far as can be told (socket buffers). */
  queued(): number;
  /** As for a source: how long a write may wait without the kernel taking a byte. */
  patience?(milliseconds: number): void;
  /**
   * Resolves when the program at the other end has read everything that was written, as far as this host can tell; rejects
   * when it closed its end before. Asked before finish. Absent where there is no such program.
   */
  taken?(): Promise<void>;
  /** Marks the end: half-closes a socket, waits for a command, gives a file its size and its final name. */
  finish(totalLength?: number): Promise<void>;
  /** Gives up: removes temporaries, closes at once. Never rejects, never blocks; safe to call twice. */
  abort(): Promise<void>;
}

/** A duplex link has both at once: a tcp or unix connection, or a socket that was inherited. */
export interface Channel {
  readonly source: ByteSource | undefined;
  readonly sink: ByteSink | undefined;
  /** True when bytes can flow back to the program that writes the input. */
  readonly duplex: boolean;
  /** A connection's descriptor while it is open, for a process that shares it. */
  readonly fd?: number | undefined;
}
