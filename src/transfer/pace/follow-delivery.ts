// When a sender keeps to what its receiver has delivered: the receiver must tell often enough, and somebody must wait.

import type { Hello } from '../../control/negotiation.js';
import type { ByteSource } from '../../io/bytes.js';
import { DeliveryWindow } from './delivery-window.js';
import type { ControlReader } from '../../control/channel.js';

/** A receiver that speaks less often would make every chunk look late. Milliseconds. */
const LONGEST_INTERVAL_MS = 20;

/** A guest that may be running waits for what is on its way; a file does not. */
export function followDelivery(
  ear: Pick<ControlReader, 'onDelivered'> | undefined,
  hello: Hello | undefined,
  source: Pick<ByteSource, 'file'>,
  chunkSize: number,
  slots: number,
): DeliveryWindow | undefined {
  if (ear === undefined || source.file !== undefined) return undefined;
  if ((hello?.progressInterval ?? Infinity) > LONGEST_INTERVAL_MS) return undefined;
  const window = new DeliveryWindow(chunkSize, slots * chunkSize);
  ear.onDelivered((bytes) => window.delivered(bytes));
  return window;
}
