// V8 flags that the command sets in its own process. V8 optimises a function after some 60 kB of executed bytecode, which pays off in a
// long-running program. A transfer of a small guest takes half a second. Each thread spent a third of its processor time on
// compiling the same functions, often twice, because the rounds of a stream differ.

import { onThreadMoment } from '../../pool/loaded.js';

/** node:v8 loads Node's streams, 5 ms of a start: only at the first flag. */
function setFlag(flag: string): void {
  process.getBuiltinModule('node:v8').setFlagsFromString(flag);
}

/** Lets a thread request a garbage collection (src/codec/reclaim.ts). Every V8 from Node 20 to 26 has the flag. */
const EXPOSE_GC = '--expose-gc';

/**
 * The flag for each V8 version on which a gain was measured. An unlisted version gets no flag, because V8 has no silent check
 * whether a flag exists: setFlag() prints an error on stderr for an unknown flag.
 *
 * - V8 11.3 (Node 20): `--interrupt-budget`, bytes of bytecode before a function is optimised, 67,584 by default. The functions
 *   that matter in a long transfer reach 1,000,000 within a second. Half of it cost a small guest 5 %, twice as much changed nothing
 *   that stood out from the noise.
 * - V8 12.4, 13.6 and 14.6 (Node 22, 24, 26): the flag is gone. `--invocation-count-for-turbofan` at 15 times its default
 *   took 0.91 to 1.05 of the processor time with either of two small guests (medians of 11 that take turns): no reliable gain.
 */
const FLAGS: Readonly<Record<string, string>> = {
  '11.3': '--interrupt-budget=1000000',
};

/** V8's defaults of the flags above. */
const DEFAULTS: Readonly<Record<string, string>> = {
  '11.3': '--interrupt-budget=67584',
};

/** The flag that this V8 has, if any. */
export function lateOptimisationFlag(v8Version = process.versions.v8): string | undefined {
  return FLAGS[minor(v8Version)];
}

function minor(v8Version: string): string {
  return v8Version.split('.', 2).join('.');
}

/** What this module has set. */
const set = { late: false, collects: false };

function setLateOptimisation(): void {
  const flag = lateOptimisationFlag();
  if (flag !== undefined) setFlag(flag);
}

function setDefaultOptimisation(): void {
  const flag = DEFAULTS[minor(process.versions.v8)];
  if (flag !== undefined) setFlag(flag);
}

/**
 * Calls `act` under V8's defaults and leaves them set (see setFlagsAgain). V8 accepts compiled code only under the flags under
 * which it was saved.
 */
export function withDefaultFlags<Result>(act: () => Result): Result {
  setFlag('--no-expose-gc');
  setDefaultOptimisation();
  return act();
}

/**
 * Sets the flags while no thread loads modules: V8 discards the code cache of Node's own modules when a flag differs from its start (50 ms
 * for each thread). Threads in their warm-up optimise as early as V8 does by default.
 * @param forMany the process carries one guest after another: it optimises as early as V8 does, because later guests gain from it
 */
export function setFlagsBetweenLoads(forMany = false): void {
  let isLoading = false;
  const late = (wanted: boolean): void => {
    if (forMany) return;
    if (wanted !== set.late) (wanted ? setLateOptimisation : setDefaultOptimisation)();
    set.late = wanted;
  };
  onThreadMoment((moment) => {
    if (moment === 'alone') return late(!isLoading);
    if (moment !== 'garbage') isLoading = moment === 'starting';
    if (moment === 'starting') return late(false);
    if (!set.collects) setFlag(EXPOSE_GC);
    set.collects = true;
    if (moment === 'loaded') late(true);
  });
}

/** Sets again what withDefaultFlags(), which another file of the bundle may have called, has left at V8's defaults. */
export function setFlagsAgain(): void {
  if (set.collects) setFlag(EXPOSE_GC);
  if (set.late) setLateOptimisation();
}
