// A worker for the ring's test: takes jobs, counts each in shared memory, and ends when the ring stops.

import { parentPort, workerData } from 'node:worker_threads';

import { Ring } from '../../src/slot/ring.js';

export interface RingWorkerData {
  readonly ring: SharedArrayBuffer;
  /** Which job lies in which slot. */
  readonly jobOfSlot: SharedArrayBuffer;
  /** How often each job was done. */
  readonly done: SharedArrayBuffer;
  /** The order in which jobs were taken: a counter, then the jobs. */
  readonly order: SharedArrayBuffer;
  /** Jobs of uneven length; else of none. */
  readonly uneven: boolean;
  /** State of each slot: 1 = done. */
  readonly states: SharedArrayBuffer;
}

const data = workerData as RingWorkerData;
const ring = new Ring(data.ring);
const jobOfSlot = new Int32Array(data.jobOfSlot);
const done = new Int32Array(data.done);
const order = new Int32Array(data.order);
const states = new Int32Array(data.states);

for (;;) {
  const slot = ring.take();
  if (slot === undefined) break;
  const job = Atomics.load(jobOfSlot, slot);
  Atomics.store(order, 1 + Atomics.add(order, 0, 1), job);
  // Jobs of uneven length, so that workers meet in every order.
  const length = data.uneven ? (job * 7919) % 300 : 0;
  for (let spin = length; spin > 0; spin--) Atomics.load(done, job);
  Atomics.add(done, job, 1);
  Atomics.store(states, slot, 1);
  ring.finish(slot);
}
parentPort?.postMessage('home');
