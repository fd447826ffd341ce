// `ByteSource` and `ByteSink`: the interfaces between the links and the code above them.
// A source has one reader and a sink has one writer, with one call at a time.
// Neither interprets the bytes.

/** A regular file that several threads may read by position at the same time. */
export interface PositionedInput {
  readonly path: string;
  /** Descriptor of this process; valid in its worker threads, too, until the source is closed. */
  readonly fd: number;
  /** Size in bytes when the file was opened. */
  readonly size: number;
  /** With direct I/O, offsets, lengths and memory must be multiples of this many bytes; 1 = no direct I/O and no rule. */
  readonly alignment: number;
}

/** A regular file that ramferry created, still under its temporary name, that may be written by position. */
export interface PositionedOutput {
  readonly fd: number;
  readonly alignment: number;
}

/** The bytes with which a stream begins. */
export interface Beginning {
  readonly bytes: number;
  /** XXH64 of these bytes. */
  readonly digest: bigint;
}

/** An output file that an earlier transfer may have begun, and that a later one may continue. */
export interface PartialFile {
  /** What the file has from earlier transfers, read again and compared; 0 bytes for a new file. The next write follows it. */
  readonly kept: Beginning;
  /** The file has this chunk: a later transfer may continue behind it. Called in stream order, without gaps. @throws ERR_OUTPUT_… */
  completed(position: number, length: number, checksum: bigint): void;
}

export interface ByteSource {
  /** Name for messages: the address as the user gave it. */
  readonly label: string;
  /** Set when the input is a regular file that ramferry reads from its start. */
  readonly file?: PositionedInput;
  /** The source itself shows that the input is complete (a file's size, a command's exit status), so an empty input is valid. */
  readonly tellsEnd?: boolean;
  /**
   * Reads between 1 and target.length bytes into target, which may be shared memory.
   * Resolves with the number of bytes, 0 at the end of the input.
   * Rejects with a RamferryError; after close() pending reads reject with ERR_LINK_CLOSED.
   */
  read(target: Uint8Array): Promise<number>;
  /**
   * Passes over the next `length` bytes when all of them lie in a hole of the file, so that they are zero.
   * @returns false where they do not, or where that is not known; then nothing has changed. Present on regular files only
   */
  skipHole?(length: number): boolean;
  /**
   * Sets how many milliseconds a read may wait without a byte before it rejects with ERR_LINK_TIMEOUT; 0 = no limit (the peer may
   * idle). For a pending read, too, the time counts from this call. Absent where the source cannot stall.
   */
  patience?(milliseconds: number): void;
  /**
   * Checks that the input did not change while it was read. Present where that can be checked (a regular file).
   * @throws ERR_INPUT_CHANGED
   */
  unchanged?(): void;
  /** Releases all resources. Never rejects, never blocks; safe to call twice and while a read is pending. */
  close(): Promise<void>;
}

export interface ByteSink {
  readonly label: string;
  /** Set when the output is a regular file that ramferry created: workers may write their extents themselves. */
  readonly file?: PositionedOutput;
  /** Set when the output is a file that stays when the transfer fails. */
  readonly partial?: PartialFile;
  /**
   * True for a file that no program acts on before this transfer has succeeded: an output under its temporary name, or a regular file
   * behind an inherited descriptor. Absent where a reader gets the bytes as they arrive.
   */
  readonly inert?: boolean;
  /**
   * Writes all the bytes. Resolves when the kernel has them; then the memory may be reused.
   * The promise is the back-pressure: the sink queues nothing beyond it.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes several pieces in order. Present where one call for all pieces is cheaper. */
  writeAll?(pieces: readonly Uint8Array[]): Promise<void>;
  /**
   * Writes bytes that concern only the peer that is connected now. Present on a listener whose peer is not known yet: `write` repeats
   * its bytes to a peer that connects later, `writeNow` does not.
   */
  writeNow?(bytes: Uint8Array): Promise<void>;
  /** Bytes written by this side that the peer may not have read yet, as far as this host knows (socket buffers). */
  queued(): number;
  /**
   * Bytes of all writes so far, the pending one included, that the program at the other end has not read. Present where the count is
   * exact (pipes). Undefined when this side has closed its end.
   */
  unread?(): number | undefined;
  /** Sets how many milliseconds a write may wait while the kernel takes no byte; as `ByteSource.patience`. */
  patience?(milliseconds: number): void;
  /**
   * Resolves when the program at the other end has read everything that was written, as far as this host knows. Rejects when it
   * closed its end before. Called before `finish`. Absent where there is no such program.
   */
  taken?(): Promise<void>;
  /** `finish` resolves only when the other side has taken everything, and rejects when it does not. */
  readonly tellsHeard?: boolean;
  /** Ends the output: half-closes a socket, waits for a command, gives a file its size and its final name. */
  finish(totalLength?: number): Promise<void>;
  /** Aborts the output: removes temporaries and closes at once. Never rejects, never blocks; safe to call twice. */
  abort(): Promise<void>;
}

/** Both directions of a link. A duplex link has both: a tcp or unix connection, or an inherited socket. */
export interface Channel {
  readonly source: ByteSource | undefined;
  readonly sink: ByteSink | undefined;
  /** True when bytes can flow back to the program that writes the input. */
  readonly duplex: boolean;
  /** The descriptor of an open connection, for a child process that shares it. */
  readonly fd?: number | undefined;
}
