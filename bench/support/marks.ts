// Two readings of the clocks, at the start and at the end of a measurement. Any thread can take either reading.
// The processor time is that of the whole process, all threads together.

/** Four doubles: milliseconds since 1970 and microseconds of processor time, twice. */
export type MarkMemory = SharedArrayBuffer;

export function allocateMarks(): MarkMemory {
  return new SharedArrayBuffer(4 * Float64Array.BYTES_PER_ELEMENT);
}

export function takeMark(memory: MarkMemory, which: 0 | 1): void {
  const { user, system } = process.cpuUsage();
  const marks = new Float64Array(memory);
  marks[which * 2] = performance.timeOrigin + performance.now();
  marks[which * 2 + 1] = user + system;
}

export interface Stretch {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Wall and processor time from the first mark to the second. */
export function stretch(memory: MarkMemory): Stretch {
  const [start, startCpu, end, endCpu] = new Float64Array(memory);
  return { seconds: (end! - start!) / 1e3, cpuSeconds: (endCpu! - startCpu!) / 1e6 };
}
