// A link of several connections at the same time: what both sides have agreed on, and what its packets take of a reader's window.

import { LEAST_BLOCK_USE } from './packet.js';

/** Most connections of a transfer. */
export const MOST_CONNECTIONS = 64;

/** Most bytes of the stream in one packet. A shorter packet than on one connection: those behind it, on other connections, wait for it. */
export const MAX_SPREAD_PAYLOAD = 65_536;

/** The window of a sender, in bytes: for what the receiver says. */
export const SENDER_WINDOW = 4_194_304;

export interface Several {
  /** How many: 2 to {@link MOST_CONNECTIONS}. */
  readonly connections: number;
  /** This side's data goes over all of them; the other side's over the first one that lives. */
  readonly spreads: boolean;
  /** Bytes that packets may take which this side holds until its reader has taken them. */
  readonly window: number;
  /** The other side's. */
  readonly peerWindow: number;
}

/** Bytes of a reader's window that a data packet takes. No less than the memory that holds its payload. */
export function windowCost(payload: number): number {
  return payload < LEAST_BLOCK_USE ? LEAST_BLOCK_USE : MAX_SPREAD_PAYLOAD;
}
