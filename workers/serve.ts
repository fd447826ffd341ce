// What all worker threads have in common: the loop over the ring. Only an error outside a job ends the thread.

import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';

import { HostThreads } from '../src/os/processor/host-threads.js';
import { JobRunner, type JobWorker } from '../src/slot/job-worker.js';
import { slotViews } from '../src/slot/layout.js';
import { Ring } from '../src/slot/ring.js';
import type { ThreadStartUp, WorkerStartUp } from '../src/slot/start-up.js';

/** Opened with the thread's other modules: a thread that is terminated while it loads native code can end the process. */
const { hostThreads } = workerData as ThreadStartUp;
const host = hostThreads === undefined ? undefined : HostThreads.open(hostThreads);

/** A task that does nothing: its thread has started and loaded its modules. Every program of a ThreadGroup exports it. */
export function started(): void {
  // Deliberately empty.
}

/** Works until the ring is stopped. */
export async function serve(startUp: WorkerStartUp, worker: JobWorker): Promise<void> {
  const slots = slotViews(startUp.arena, startUp.geometry);
  const ring = new Ring(startUp.ring);
  // On Linux niceness is a property of the thread.
  if (startUp.nice !== undefined) setPriority(startUp.nice);
  const runner = new JobRunner(worker);
  for (;;) {
    const index = ring.take();
    if (index === undefined) return;
    const hasPlace = host?.take() === true;
    const isDone = await runner.run(slots[index]!);
    if (hasPlace) host.give();
    // A failure wakes the main thread at once, whichever slot it waits for.
    ring.finish(isDone ? index : undefined);
    await runner.reclaim();
  }
}
