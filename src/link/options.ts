// What may be said when a link is opened, and the defaults, in one place.

export interface OpenOptions {
  /**
   * Milliseconds: to keep trying until the other side listens (tcp, unix, a FIFO without a reader), and, if given, to
   * wait for the other side's connection (listeners). 0 = try once, or wait for ever. Default 10 s for connecting, for ever for listening.
   */
  readonly connectTimeout?: number | undefined;
  /**
   * Milliseconds without progress on a tcp or unix connection while a read or write waits; 0 = wait for ever. It is the first patience
   * of both directions: ByteSource.patience and ByteSink.patience change it where the peer owes nothing. Default 30 s.
   */
  readonly ioTimeout?: number | undefined;
  /** Replace an existing file, or a unix socket that nobody listens on. */
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
