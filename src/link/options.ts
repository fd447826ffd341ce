// What may be said when a link is opened, and the defaults, in one place.

/** Looks at the first bytes of one connection. Fed one byte at a time if need be. */
export interface Judge {
  /** Bytes that may be read now without reading more than is needed; 0 once the connection is known to be the peer's. */
  readonly wanted: number;
  /** Takes the next bytes. @returns why the connection is not the peer's, if that is certain now */
  feed(bytes: Uint8Array): string | undefined;
}

/** How a listener tells the peer that it waits for from strangers (newcomers.ts). */
export interface PeerRules {
  /** A judge for each connection. */
  readonly judge: () => Judge;
  /** Milliseconds that a connection may be silent before its first byte; 0 = as long as it stays open. */
  readonly silence: number;
  /**
   * The peer may wait for bytes from here before it says anything (`xl migrate` waits for a banner): while every connection
   * is silent the channel opens nevertheless, and what is written goes to each of them (undecided.ts).
   */
  readonly mayWaitForUs?: boolean;
  /** Called when a connection comes, before anything is known of it. */
  readonly onConnection?: (() => void) | undefined;
}

export interface OpenOptions {
  /** Listeners: what the peer is known by. Absent: the first connection is taken for the peer's. */
  readonly peer?: PeerRules | undefined;
  /** Written to a tcp or unix connection at once, made or accepted: what the protocol says first on this side. */
  readonly greeting?: Uint8Array | undefined;
  /**
   * Milliseconds: to keep trying until the other side listens (tcp, unix, a FIFO without a reader), and, if given, to
   * wait for the other side's connection (listeners; connections that are silent still, but open, are waited for beyond it). 0 = try once, or wait for ever. Default 10 s for connecting, for ever for listening.
   */
  readonly connectTimeout?: number | undefined;
  /**
   * Milliseconds without progress on a tcp or unix connection while a read or write waits; 0 = wait for ever. It is the first patience
   * of both directions: ByteSource.patience and ByteSink.patience change it where the peer owes nothing. Default 30 s.
   */
  readonly ioTimeout?: number | undefined;
  /** Replace an existing file, or a unix socket without a listener. */
  readonly force?: boolean | undefined;
  /** Input files: bypass the page cache if possible. Output files go through it, with a warning. */
  readonly directIo?: boolean | undefined;
  /** Output files: wait for the disk before the file gets its name. Default true. */
  readonly sync?: boolean | undefined;
  /** Bytes per second that leave through an output; 0 = as fast as it goes. Default 0. */
  readonly maxBandwidth?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A listener is ready: the address to connect to, with the port that was chosen. */
  readonly onListening?: ((addressText: string) => void) | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

export const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
export const DEFAULT_IO_TIMEOUT_MS = 30_000;

export function ioTimeoutOf(options: OpenOptions): number {
  return options.ioTimeout ?? DEFAULT_IO_TIMEOUT_MS;
}
