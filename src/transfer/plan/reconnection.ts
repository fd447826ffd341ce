// Option `reconnect` of a transfer: checks that its link can break and heal, and gives the conversation what it needs. The memory that a
// sender keeps for it comes out of the memory limit.

import { ResumableLink } from '../../control/resumable-link.js';
import { speaks } from '../../control/handshake.js';
import { CONVERSATION_VERSION, type Hello } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import type { Channel } from '../../io/bytes.js';
import type { Address } from '../../link/address.js';
import type { OpenOptions } from '../../link/options.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';
import { MIB } from '../../units.js';

/** Most time for a broken link once the hypervisor has stopped the guest. */
const AFTER_SWITCHOVER_MS = 5_000;
/** Most bytes that a sender keeps until they are acknowledged: 10 Gbit/s for 25 ms. */
const MOST_KEPT = 32 * MIB;
/** The share of the memory limit that they may take. */
const KEPT_SHARE = 1 / 8;

type Settings = Pick<ResolvedSendOptions | ResolvedReceiveOptions, 'reconnect' | 'oneWay'>;

/** A sender's options. `memoryLimit` is what the plan may use. */
export interface SenderSettings extends ResolvedSendOptions {
  /** Bytes for what the receiver has not acknowledged. */
  readonly kept: number;
}

/** Takes the memory for unacknowledged bytes out of the memory limit. */
export function divideMemory(resolved: ResolvedSendOptions): SenderSettings {
  const { reconnect, memoryLimit } = resolved;
  const kept = reconnect === 0 ? 0 : Math.min(MOST_KEPT, Math.floor(memoryLimit * KEPT_SHARE));
  return { ...resolved, memoryLimit: memoryLimit - kept, kept };
}

/** @throws ERR_OPTION_INVALID when no connection at this address can be made anew */
function checkAddress({ reconnect, oneWay }: Settings, address: Address): boolean {
  if (reconnect === 0) return false;
  if (speaks(address, false) && !oneWay) return true;
  const why = oneWay
    ? 'a link in one direction cannot be mended'
    : `a link of kind ${address.kind} cannot be made anew`;
  throw new RamferryError('ERR_OPTION_INVALID', `reconnect: ${why}`, {
    hint: 'use an address of tcp or unix, and no --one-way',
  });
}

/** The options with which a sender opens its link. @throws ERR_OPTION_INVALID */
export function senderConversation(
  settings: Pick<SenderSettings, keyof Settings | 'kept'>,
  address: Address,
  opening: OpenOptions,
  isGuestStopped: () => boolean,
): OpenOptions {
  if (!checkAddress(settings, address)) return opening;
  const { reconnect, kept: keep } = settings;
  const link = new ResumableLink({
    address,
    opening,
    limit: () => (isGuestStopped() ? Math.min(AFTER_SWITCHOVER_MS, reconnect) : reconnect),
    keep,
  });
  return { ...link.opening, upgrade: (channel) => link.asSender(channel) };
}

export interface ReceiverConversation {
  /** The options with which the link is opened. */
  readonly opening: OpenOptions;
  readonly isOffered: boolean;
  /** What the hello says of it. */
  readonly hello: Pick<Hello, 'conversations' | 'reconnect'>;
  readonly upgrade: (channel: Channel) => Channel;
}

/** @throws ERR_OPTION_INVALID */
export function receiverConversation(
  settings: Settings,
  address: Address,
  opening: OpenOptions,
): ReceiverConversation {
  if (!checkAddress(settings, address)) {
    return { opening, isOffered: false, hello: {}, upgrade: (channel) => channel };
  }
  const { reconnect } = settings;
  const link = new ResumableLink({ address, opening, limit: () => reconnect, keep: 0 });
  return {
    opening: link.opening,
    isOffered: true,
    hello: { conversations: [CONVERSATION_VERSION], reconnect },
    upgrade: (channel) => link.asReceiver(channel),
  };
}
