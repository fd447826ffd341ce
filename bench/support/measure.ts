// Runs functions as a benchmark.js suite and returns their speeds, of the fastest and of the median sample.
// On a shared machine the fastest sample measures the function, the slower ones measure other programs too.

import Benchmark from 'benchmark';

export interface Measured {
  readonly name: string;
  /** Seconds for one call, of the fastest sample and of the median one. */
  readonly best: number;
  readonly typical: number;
}

/** @param functions functions by name; each call takes some milliseconds, and ends before the next begins */
export async function measure(functions: Readonly<Record<string, () => unknown>>): Promise<Measured[]> {
  const suite = new Benchmark.Suite();
  for (const [name, call] of Object.entries(functions)) {
    const iteration = async (): Promise<void> => {
      await call();
    };
    const fn = (handle: { resolve: () => void }) => void iteration().then(() => handle.resolve());
    suite.add(name, { defer: true, minSamples: 10, maxTime: 0.5, fn });
  }
  await new Promise<void>((resolve, reject) => {
    suite.on('complete', () => resolve());
    suite.on('error', () => reject(new Error('a benchmark failed')));
    suite.run({ async: true });
  });
  const results: Measured[] = [];
  suite.forEach((test: Benchmark) => {
    const sample = [...(test.stats.sample as number[])].sort((a, b) => a - b);
    results.push({ name: test.name!, best: sample[0]!, typical: sample[Math.floor(sample.length / 2)]! });
  });
  return results;
}
