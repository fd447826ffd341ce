// What the process of `ramferry serve --shards N` and its shards say to each other, over the channel that Node.js gives to a child.

import type { ErrorData } from '../../errors.js';
import type { TransferSummary } from '../../transfer/statistics/summary.js';
import type { ServeOptions } from '../options.js';
import type { Direction } from '../claims.js';
import type { Ended } from '../outcomes.js';
import type { RunningTransfer, ServerStatus } from '../server.js';

/** What a shard is told. Each connection comes with its handle. */
export type ToShard =
  | { readonly kind: 'start'; readonly options: ServeOptions; readonly history: boolean }
  | { readonly kind: 'connection'; readonly direction: Direction; readonly name?: string | undefined }
  /** With the handle of a local connection, through which a later connection of a transfer comes that this shard carries. */
  | { readonly kind: 'later'; readonly first: Uint8Array; readonly provenName: string | undefined }
  /** Does a transfer here wait for a connection that begins so? */
  | { readonly kind: 'seek'; readonly request: number; readonly first: Uint8Array }
  /** With the handle of the local connection to the other shard; without one where no shard carries the transfer. */
  | { readonly kind: 'elsewhere'; readonly request: number }
  | { readonly kind: 'claimed'; readonly request: number; readonly id: number | undefined }
  | { readonly kind: 'bandwidth'; readonly bytesPerSecond: number }
  | { readonly kind: 'status'; readonly request: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'abort'; readonly error: ErrorData };

/** What a shard says. */
export type FromShard =
  | { readonly kind: 'started' }
  | { readonly kind: 'failed'; readonly error: ErrorData }
  | {
      readonly kind: 'claim';
      readonly request: number;
      readonly direction: Direction;
      readonly name: string;
    }
  | { readonly kind: 'release'; readonly id: number }
  /** Which shard has the transfer of a connection that begins so? */
  | {
      readonly kind: 'elsewhere';
      readonly request: number;
      readonly first: Uint8Array;
      readonly provenName: string | undefined;
    }
  | { readonly kind: 'sought'; readonly request: number; readonly has: boolean }
  | { readonly kind: 'running'; readonly transfers: readonly RunningTransfer[] }
  | { readonly kind: 'status'; readonly request: number; readonly status: ServerStatus }
  | { readonly kind: 'warning'; readonly text: string }
  | {
      readonly kind: 'ended';
      readonly ended: Ended;
      readonly outcome: { readonly summary: TransferSummary } | { readonly error: ErrorData };
    };
