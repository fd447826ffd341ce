// When V8 takes the trouble to optimise a function. As it comes, after some 60 kB of bytecode that the function ran: a
// program that runs for long gets it back. A transfer of a small guest takes half a second in which each thread compiled
// the same functions for itself, often twice, because what a stream holds changes with its rounds: a third of the
// processor time. It is a setting of the whole process, so it is for the command alone: a program that embeds us keeps its own.

import v8 from 'node:v8';

/**
 * Bytes of bytecode that a function runs before it is optimised; V8 11.3 has 67,584. The functions that matter in a long
 * transfer run so many within a second (with half as many a small guest took 5 % more, with twice as many nothing could be told from noise).
 */
const INTERRUPT_BUDGET = 1_000_000;

let ours = false;

/** Says that the process is ramferry's own. */
export function ownProcess(): void {
  ours = true;
}

/**
 * Called when threads have loaded their modules: not before, for V8 throws away what was compiled beforehand of Node's own
 * modules when a flag is another than at its start (50 ms).
 */
export function compileLater(): void {
  if (ours) v8.setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
  ours = false;
}
