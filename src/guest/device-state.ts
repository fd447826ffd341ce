// Made-up device state of the simulated guest: mostly zero bytes, some small numbers, few large ones.
// Takes a length and a seed; promises the same bytes for the same two. No device can load these bytes.

import { Buffer } from 'node:buffer';
import { Random } from '../image/random.js';

export function deviceState(length: number, seed: number): Buffer {
  const state = Buffer.alloc(length);
  const random = new Random(seed);
  for (let at = 0; at + 4 <= length; at += 4) {
    const dice = random.next();
    if ((dice & 7) === 0) state.writeUInt32BE(random.next(), at);
    else if ((dice & 3) === 0) state.writeUInt32BE((dice >>> 8) & 0xff, at);
  }
  return state;
}
