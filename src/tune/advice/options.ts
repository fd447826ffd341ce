// The door of tune: options checked and completed by the table (src/options/rows/tune.ts).

import type { Exact } from '../../options/exact.js';
import { type HookName, resolveOptions } from '../../options/schema.js';
import type { GivenFor, ValuesFor } from '../../options/table.js';
import type { BenchOptions, MeasuringHooks, TuneOptions } from '../../options/rows/tune.js';

true satisfies Exact<GivenFor<'tune'> & MeasuringHooks, TuneOptions>;
true satisfies Exact<GivenFor<'bench'> & MeasuringHooks, BenchOptions>;

export type ResolvedTuneOptions = ValuesFor<'tune'> & MeasuringHooks;
export type ResolvedBenchOptions = ValuesFor<'bench'> & MeasuringHooks;

const HOOKS: readonly (HookName & keyof MeasuringHooks)[] = ['signal', 'onProgress'];

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveTuneOptions(options: TuneOptions): ResolvedTuneOptions {
  return resolveOptions<'tune', MeasuringHooks>('tune', HOOKS, options);
}

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveBenchOptions(options: BenchOptions): ResolvedBenchOptions {
  return resolveOptions<'bench', MeasuringHooks>('bench', HOOKS, options);
}
