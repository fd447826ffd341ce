// How long a command waits for the exporters of its trace.

/** Longest wait at the end, in milliseconds: a collector that hangs delays no caller for longer. */
export const FLUSH_MS = 1000;
