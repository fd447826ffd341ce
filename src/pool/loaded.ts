// Tells the program that owns the process what a pool's threads are about to do. Settings of V8 belong to the whole process: the command
// changes some at these moments (src/cli/process/v8-flags.ts), a program that embeds ramferry keeps its own.

/**
 * - `alone`: the main thread does jobs, and no thread has been started for them.
 * - `starting`: a thread is about to load its modules.
 * - `loaded`: all threads that a pool has by then are loaded; told for each thread.
 * - `warm-up`: the same, and the threads begin with a warm-up, whose purpose is that V8 optimises functions.
 * - `garbage`: the main thread does jobs with a binding whose buffers only a garbage collection frees (src/codec/reclaim.ts).
 */
export type ThreadMoment = 'alone' | 'starting' | 'loaded' | 'warm-up' | 'garbage';

let listener: ((moment: ThreadMoment) => void) | undefined;

/** Replaces the listener before. */
export function onThreadMoment(act: (moment: ThreadMoment) => void): void {
  listener = act;
}

export function tellMoment(moment: ThreadMoment): void {
  listener?.(moment);
}
