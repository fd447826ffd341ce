// Options `reconnect` and `connections` of a transfer: checks that its link can break and heal, or have several connections, and gives the
// conversation what it needs. The memory for it comes out of the memory limit.

import { type ConversationOptions, KEPT_BACKWARD, ResumableLink } from '../../control/resumable-link.js';
import { speaks } from '../../control/handshake.js';
import { CONVERSATION_VERSION, type Hello } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import type { Channel } from '../../io/bytes.js';
import type { Address } from '../../link/address.js';
import type { OpenOptions } from '../../link/options.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';
import { GUEST_STANDS_MS } from '../../link/resume/packet.js';
import { KIB, MIB } from '../../units.js';

/** Most bytes that a sender keeps until they are acknowledged: 10 Gbit/s for 25 ms. */
const MOST_KEPT = 32 * MIB;
/** The same for each of several connections, where that is more: they are for longer paths. */
const MOST_KEPT_EACH = 8 * MIB;
/** The share of the memory limit that they may take. */
const KEPT_SHARE = 1 / 8;
/** Of each of several connections: the buffer of its reader, and a packet that is read. */
const CONNECTION_BYTES = 128 * KIB;

type Settings = Pick<ResolvedSendOptions | ResolvedReceiveOptions, 'reconnect' | 'connections' | 'oneWay'>;

/** A sender's options. `memoryLimit` is what the plan may use. */
export interface SenderSettings extends ResolvedSendOptions {
  /** Bytes for what the receiver has not acknowledged. */
  readonly kept: number;
}

/** A receiver's options. `memoryLimit` is what the plan may use. */
export interface ReceiverSettings extends ResolvedReceiveOptions {
  /** Bytes for packets that have overtaken others, or that no one has read yet. */
  readonly window: number;
}

/** Bytes for packets that one side holds for the other. */
function held(memoryLimit: number, connections: number): number {
  return Math.min(Math.max(MOST_KEPT, MOST_KEPT_EACH * connections), Math.floor(memoryLimit * KEPT_SHARE));
}

function buffers(connections: number): number {
  return connections === 1 ? 0 : connections * CONNECTION_BYTES;
}

/** Takes the memory for unacknowledged bytes out of the memory limit. */
export function divideMemory(resolved: ResolvedSendOptions): SenderSettings {
  const { reconnect, connections, memoryLimit } = resolved;
  const kept = reconnect === 0 && connections === 1 ? 0 : held(memoryLimit, connections);
  return { ...resolved, memoryLimit: memoryLimit - kept - buffers(connections), kept };
}

/** Takes the memory for packets that overtake each other, and for what the sender has not acknowledged, out of the memory limit. */
export function divideReceiverMemory(resolved: ResolvedReceiveOptions): ReceiverSettings {
  const { reconnect, connections, memoryLimit } = resolved;
  const window = connections === 1 ? 0 : held(memoryLimit, connections);
  const kept = reconnect === 0 && connections === 1 ? 0 : KEPT_BACKWARD;
  return { ...resolved, memoryLimit: memoryLimit - window - kept - buffers(connections), window };
}

/**
 * @returns whether the link needs a conversation of version 2
 * @throws ERR_OPTION_INVALID when no further connection at this address can be made
 */
function needsConversation({ reconnect, connections, oneWay }: Settings, address: Address): boolean {
  if (reconnect === 0 && connections === 1) return false;
  if (speaks(address, false) && !oneWay) return true;
  const option = reconnect > 0 ? 'reconnect' : 'connections';
  const cannot = reconnect > 0 ? 'cannot be mended' : 'has one connection';
  const why = oneWay ? `a link in one direction ${cannot}` : `a link of kind ${address.kind} ${cannot}`;
  throw new RamferryError('ERR_OPTION_INVALID', `${option}: ${why}`, {
    hint: 'use an address of tcp or unix, and no --one-way',
  });
}

export interface SenderConversation {
  /** The options with which the link is opened. */
  readonly opening: OpenOptions;
  /**
   * Begins the conversation with a receiver that has heard the introduction; elsewhere it has begun when the link was open. The source must be
   * read meanwhile. Never rejects: reading the link meets what failed.
   */
  readonly begin: () => Promise<void>;
  /** The transfer has ended. Must be called. */
  readonly close: () => void;
}

/** What a conversation tells, and asks, those above it. */
export interface ConversationHooks extends Pick<ConversationOptions, 'count' | 'onSession'> {
  /** Of a sender: its hypervisor has stopped the guest. Default: it never does. */
  readonly isGuestStopped?: (() => boolean) | undefined;
}

/** @throws ERR_OPTION_INVALID */
export function senderConversation(
  settings: Pick<SenderSettings, keyof Settings | 'kept'>,
  address: Address,
  opening: OpenOptions,
  { isGuestStopped = () => false, count, onSession }: ConversationHooks,
): SenderConversation {
  if (!needsConversation(settings, address))
    return { opening, begin: () => Promise.resolve(), close: () => undefined };
  const { reconnect, connections, kept: keep } = settings;
  const link = new ResumableLink({
    address,
    opening,
    limit: () => (isGuestStopped() ? Math.min(GUEST_STANDS_MS, reconnect) : reconnect),
    keep,
    connections,
    ...{ count, onSession },
  });
  const upgrade = async (channel: Channel): Promise<Channel> =>
    link.asSender((await opening.upgrade?.(channel)) ?? channel);
  return {
    opening: { ...link.opening, upgrade },
    begin: () => link.begin(),
    close: () => link.close(),
  };
}

/** What a receiver's hello says of a link that heals or has several connections. */
export function resumableHello({
  reconnect,
  connections,
  window,
}: Pick<ReceiverSettings, 'reconnect' | 'connections' | 'window'>): ReceiverConversation['hello'] {
  if (reconnect === 0 && connections === 1) return {};
  return {
    conversations: [CONVERSATION_VERSION],
    ...(reconnect === 0 ? {} : { reconnect }),
    ...(connections === 1 ? {} : { connections, window }),
  };
}

export interface ReceiverConversation {
  /** The options with which the link is opened. */
  readonly opening: OpenOptions;
  readonly isOffered: boolean;
  /** What the hello says of it. */
  readonly hello: Pick<Hello, 'conversations' | 'reconnect' | 'connections' | 'window'>;
  /** @param isAwaited the sender begins at once, within the limit of silence */
  readonly upgrade: (channel: Channel, isAwaited?: boolean) => Channel;
  /** The transfer has ended. Must be called. */
  readonly close: () => void;
}

/** @throws ERR_OPTION_INVALID */
export function receiverConversation(
  settings: Pick<ReceiverSettings, keyof Settings | 'window'>,
  address: Address,
  opening: OpenOptions,
  { count, onSession }: ConversationHooks,
): ReceiverConversation {
  if (!needsConversation(settings, address)) {
    return { opening, isOffered: false, hello: {}, upgrade: (channel) => channel, close: () => undefined };
  }
  const { reconnect, connections, window } = settings;
  const link = new ResumableLink({
    ...{ address, opening, connections, window, count, onSession },
    limit: () => reconnect,
    keep: 0,
  });
  return {
    opening: link.opening,
    isOffered: true,
    hello: resumableHello(settings),
    upgrade: (channel, isAwaited) => link.asReceiver(channel, isAwaited),
    close: () => link.close(),
  };
}
