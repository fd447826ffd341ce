// What a server of many guests (src/serve) lends to one transfer, in place of what the transfer makes itself: an end that is connected
// already, threads and memory, a share of the bandwidth.

import type { ControlWriter } from '../../control/writer.js';
import type { Channel } from '../../io/bytes.js';
import type { Door } from '../../link/options.js';
import type { PeerLink } from '../../link/peer-link.js';
import type { HypervisorChannel } from '../sender/introduce.js';
import type { RateBudget } from '../../link/rate-limit.js';
import type { CostMemory } from '../adaptive/history/history.js';
import type { Statistics } from '../statistics/statistics.js';
import type { Leaving } from '../receiver/leavable-sink.js';
import type { TransferParts } from './prestart.js';

export interface Hosting {
  readonly parts: TransferParts;
  /** Counts the transfer; the server reads it. */
  readonly statistics: Statistics;
}

export interface SendHosting extends Hosting {
  /** The connection of the hypervisor. */
  readonly input: Channel;
  /** The limit that all transfers of the server share; absent = none. */
  readonly rateBudget?: RateBudget | undefined;
  /** What the server's transfers have measured; absent = nothing is remembered. */
  readonly memory?: CostMemory | undefined;
  /** Set where it is one of several connections of one hypervisor. */
  readonly channel?: HypervisorChannel | undefined;
}

/** A result that waits for its sender. */
export interface KeptResult {
  readonly ok: boolean;
  /** Upper bound of what it holds. */
  readonly bytes: number;
}

export interface ReceiveHosting extends Hosting {
  /** The connection of the sender, which has been greeted and has introduced itself. */
  readonly input: PeerLink;
  readonly control: ControlWriter;
  /** Through which the sender's later connections come; absent = none do, and the sender cannot ask how the transfer ended. */
  readonly door?: Door | undefined;
  /**
   * Called when the transfer ends before its sender has heard the result.
   * @param late settles when the result is no longer kept: at the latest when the transfer's signal is aborted
   */
  readonly onKept?: ((late: Promise<void>, kept: KeptResult) => void) | undefined;
  /** Called when the destination's hypervisor is connected. */
  readonly onConnected?: (() => void) | undefined;
  /** Absent = a hypervisor that closes its connection early ends the transfer. */
  readonly leaving?: Leaving | undefined;
}
