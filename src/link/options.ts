// The options of opening a link, and their defaults.

import type { LookupFunction } from 'node:net';

import type { SocketAccess } from '../io/private-socket.js';
import type { AllowList } from './listen/allow-list.js';
import type { Channel } from '../io/bytes.js';
import type { PeerLink } from './peer-link.js';
import type { RateBudget } from './rate-limit.js';
import type { TlsSettings } from './tls/settings.js';

/** Checks the first bytes of one connection. Accepts them in pieces of any size. */
export interface Judge {
  /** Most bytes to read next, so that none beyond the judge's need is read; 0 = the connection is the peer's. */
  readonly wanted: number;
  /** Checks the next bytes. @returns the reason why the connection is not the peer's, when that is certain */
  feed(bytes: Uint8Array): string | undefined;
}

/** How a listener distinguishes its peer from other connections (newcomers.ts). */
export interface PeerRules {
  /** Creates the judge of one connection. */
  readonly judge: () => Judge;
  /** Milliseconds that a connection may be silent before its first byte; 0 = as long as it stays open. */
  readonly silence: number;
  /**
   * The peer may wait for this side's first bytes before it sends any (`xl migrate` waits for a banner). The channel then opens
   * while every connection is silent, and writes go to all of them (undecided.ts).
   */
  readonly mayListenFirst?: boolean;
  /** Called when a connection is accepted, before its first byte. */
  readonly onConnection?: (() => void) | undefined;
}

/** Where the later connections of a listener's peer come in (listen/door.ts). */
export interface Door {
  /** Begins to look for the peer among the connections. @param onLink called with each connection that a judge has accepted */
  open(judge: () => Judge, onLink: (link: PeerLink) => void): void;
  /** Accepts no more connections. */
  close(): void;
}

export interface OpenOptions {
  /** tcp and unix connections: TLS 1.3 with these files. Default: none, bytes travel in the clear. */
  readonly tls?: TlsSettings | undefined;
  /** tcp listeners: hosts that may connect. Default: any. */
  readonly allow?: AllowList | undefined;
  /** unix listeners: who may connect. Default: the process's user. */
  readonly socketAccess?: SocketAccess | undefined;
  /** Listeners: how to identify the peer. Default: the first connection is the peer's. */
  readonly peer?: PeerRules | undefined;
  /**
   * Listeners: keep listening after the peer is known, and hand over the door through which its later connections come, with the identity
   * of the first. The one who gets the door closes it.
   */
  readonly onDoor?: ((door: Door, identity: string | undefined) => void) | undefined;
  /** Outputs: what becomes of the open link before a rate limit is put on it. Default: nothing. */
  readonly upgrade?: ((channel: Channel) => Promise<Channel>) | undefined;
  /**
   * Makes the first bytes of this side, written to a tcp or unix connection as soon as it is made or accepted. Called once, by a listener
   * when it listens. Must not throw. Default: none.
   */
  readonly greeting?: (() => Uint8Array) | undefined;
  /**
   * Milliseconds. A caller (tcp, unix, a FIFO without a reader) retries until then; 0 = one attempt; default 10 s.
   * A listener waits for the peer until then, and longer while a silent connection is open; 0 = for ever; default for ever.
   */
  readonly connectTimeout?: number | undefined;
  /**
   * Milliseconds without progress on a tcp or unix connection while a read or write is pending; 0 = wait for ever. Default 30 s.
   * ByteSource.patience and ByteSink.patience change the limit while the peer owes no bytes.
   */
  readonly ioTimeout?: number | undefined;
  /** Replace an existing file, or a unix socket without a listener. Default false. */
  readonly force?: boolean | undefined;
  /** Files: bypass the page cache where the file system can; elsewhere with a warning. Default false. */
  readonly directIo?: boolean | undefined;
  /** Output files: continue what an earlier transfer has left, and leave what has come when this one fails. Default false. */
  readonly resume?: boolean | undefined;
  /** Output files: wait for the disk before the file gets its name. Default true. */
  readonly sync?: boolean | undefined;
  /** Tcp connections that this side makes: finds the addresses of a host. Default: the system's lookup. */
  readonly lookup?: LookupFunction | undefined;
  /** Unix connections that this side makes: bytes of the send buffer, as far as the kernel allows. Default: the kernel's. */
  readonly sendBuffer?: number | undefined;
  /** Output pipes: bytes of room once a long stream passes, as far as the kernel allows. Default: as much as the pipe has. */
  readonly pipeRoom?: number | undefined;
  /** Most bytes per second through an output; 0 = no limit. Default 0. */
  readonly maxBandwidth?: number | undefined;
  /** A limit that several outputs share, in place of `maxBandwidth`. */
  readonly rateBudget?: RateBudget | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called when a listener is ready, with the address that the peer must connect to and the chosen port. */
  readonly onListening?: ((addressText: string) => void) | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

export const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
export const DEFAULT_IO_TIMEOUT_MS = 30_000;

export function ioTimeoutOf(options: OpenOptions): number {
  return options.ioTimeout ?? DEFAULT_IO_TIMEOUT_MS;
}
