// What a receiver makes ready while it waits for its sender.

import type { Address } from '../../link/address.js';
import type { ReceivePlan } from '../plan/receive-plan.js';
import { Prestart, type WarmUp } from './prestart.js';
import { warmUpReceiving } from './warm-up.js';

/** A file is there: nothing is made ready before it is opened. The plan of a warm-up asks for the hello, which loads every codec. */
export function prestart(plan: ReceivePlan, { kind }: Address): Prestart {
  const warmUp: WarmUp = async (threads, isCancelled) =>
    warmUpReceiving(plan.prestart)?.(threads, isCancelled);
  return new Prestart({ warmUp: kind === 'file' ? undefined : warmUp });
}
