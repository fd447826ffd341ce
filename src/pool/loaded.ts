// Tells the program that owns the process when a pool's threads have loaded their modules. Settings of V8 belong to the whole process:
// the command changes some at that moment (src/cli/process/v8-flags.ts), a program that embeds ramferry keeps its own.

export interface LoadedThreads {
  /** The threads begin with a warm-up, whose purpose is that V8 optimises functions. */
  readonly warmUp: boolean;
}

let listener: ((threads: LoadedThreads) => void) | undefined;

/** Replaces the listener before. It is called for each thread of a pool, when all threads that the pool has by then are loaded. */
export function onThreadsLoaded(act: (threads: LoadedThreads) => void): void {
  listener = act;
}

export function threadsLoaded(threads: LoadedThreads): void {
  listener?.(threads);
}

/**
 * The calling thread does jobs with a binding whose buffers only a garbage collection frees (src/codec/reclaim.ts). Told as a warm-up:
 * the program then allows collections, and leaves V8's optimisation alone.
 */
export function collectionsNeeded(): void {
  listener?.({ warmUp: true });
}
