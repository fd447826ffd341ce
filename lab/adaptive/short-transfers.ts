// Short simulated transfers from a cold start, beside the best fixed candidate of the same guest and link. Deterministic.

import { type Policy, POLICY } from '../../src/transfer/adaptive/policy.js';
import type { FirstGuess } from '../../src/transfer/adaptive/history/prior.js';
import type { Switch } from '../../src/transfer/adaptive/switch.js';
import { MIB } from '../../src/units.js';
import { LINKS } from './scenarios.js';
import { Simulation, type SimulationOptions } from './simulation.js';
import { WORLD, type World } from './world.js';

/** Milliseconds of a command before the first chunk. */
const START_UP_MS = 250;
/** Higher levels are never the best over these links. */
const HIGHEST_FIXED = 8;

/** Guests: evenly busy, mostly zeros in stretches, and a database (full, with chunks that differ). */
export const SHORT_GUESTS: Readonly<Record<string, Partial<World>>> = {
  busy: { stretch: 12 },
  idle: { plain: 0.4, size: 0.25, stretch: 40 },
  database: { plain: 0.95, size: 0.18, noise: 0.5, bend: 0.1 },
};
export const SHORT_LINKS = ['100 Mbit/s', '300 Mbit/s', '1 Gbit/s', '10 Gbit/s'] as const;
export const SHORT_SIZES: readonly number[] = [256 * MIB, 1024 * MIB, 2048 * MIB];

/** How the input reaches the workers: a stream has small chunks and few slots, a file has large ones. */
export const INPUTS: Readonly<Record<string, SimulationOptions>> = {
  stream: { chunkSize: MIB, slots: 4 },
  file: { chunkSize: 2 * MIB, slots: 8 },
};

/** Whether other programs take half of the processors, 10 ms at a time on average. */
export const HOSTS: Readonly<Record<string, Partial<World>>> = {
  quiet: {},
  busy: { steal: { every: 10, ms: 10 } },
};

export interface ShortTransfer {
  readonly link: (typeof SHORT_LINKS)[number];
  readonly guest: keyof typeof SHORT_GUESTS;
  readonly bytes: number;
  readonly input: keyof typeof INPUTS;
  readonly host: keyof typeof HOSTS;
  readonly seed: number;
}

export function shortTransfers(host: keyof typeof HOSTS, seed = 7): ShortTransfer[] {
  return SHORT_LINKS.flatMap((link) =>
    Object.keys(SHORT_GUESTS).flatMap((guest) =>
      SHORT_SIZES.flatMap((bytes) =>
        Object.keys(INPUTS).map((input) => ({ link, guest, bytes, input, host, seed })),
      ),
    ),
  );
}

/** Measured in traces of 256 MiB at 1 Gbit/s: the first chunks took twice the time in the codec, and eight times beside it. */
const COLD = { codec: 2, beside: 8, ms: 120 };
/** A token bucket of a tc link holds so many seconds of the rate, and no less than so many bytes (src/guest/network.ts). */
const BURST_SECONDS = 0.0042;
const LEAST_BURST_BYTES = 131_072;

function worldOf({ link, guest, host }: ShortTransfer): World {
  const rate = LINKS[link];
  const burst = Math.max(LEAST_BURST_BYTES, rate * BURST_SECONDS);
  return { ...WORLD, ...SHORT_GUESTS[guest], ...HOSTS[host], link: rate, burst, cold: COLD };
}

function simulate(
  transfer: ShortTransfer,
  options: SimulationOptions,
): { simulation: Simulation; time: number } {
  const { input, bytes, seed } = transfer;
  const simulation = new Simulation(worldOf(transfer), { ...INPUTS[input], seed, ...options });
  return { simulation, time: START_UP_MS + simulation.transfer(bytes) };
}

/** What is known beforehand. */
export type Knowledge = 'nothing' | 'history' | 'link ten times faster';

/** Chunks that fresh costs are worth, as in the history. */
const FRESH_CHUNKS = 16;

function guessOf(transfer: ShortTransfer, knowledge: Knowledge, policy: Policy): FirstGuess {
  if (knowledge === 'nothing') return {};
  // What a transfer of the same kind has learned; its chunks differ from these.
  const { simulation } = simulate({ ...transfer, seed: transfer.seed + 100 }, { policy });
  const { link, costs } = simulation.controller.learned;
  const believed = knowledge === 'history' ? link : { rate: 10 * LINKS[transfer.link], limited: true };
  return {
    ...(believed === undefined ? {} : { link: believed }),
    ...(costs === undefined ? {} : { costs: { ...costs, chunks: FRESH_CHUNKS } }),
  };
}

/** The least time with one candidate for all chunks, in milliseconds, and that candidate. */
export function bestFixed(transfer: ShortTransfer): { time: number; candidate: number } {
  let best = { time: Infinity, candidate: 0 };
  new Simulation().list.forEach(({ level }, candidate) => {
    if (level > HIGHEST_FIXED) return;
    const { time } = simulate(transfer, { fixed: candidate });
    if (time < best.time) best = { time, candidate };
  });
  return best;
}

export interface ShortOutcome {
  /** Milliseconds of the whole command. */
  readonly time: number;
  readonly switches: readonly Switch[];
}

export function playShort(
  transfer: ShortTransfer,
  knowledge: Knowledge,
  policy: Policy = POLICY,
): ShortOutcome {
  const first = guessOf(transfer, knowledge, policy);
  const { simulation, time } = simulate(transfer, { first, policy });
  return { time, switches: simulation.switches };
}
