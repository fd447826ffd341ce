// Scenarios of simulated transfers for the adaptive controller: links, guests, receivers, and changes of each.
// Each scenario yields an outcome, by which two controllers or two policies can be compared. Deterministic.

import type { Switch } from '../../src/transfer/adaptive/switch.js';
import { Simulation, type SimulationOptions } from './simulation.js';
import { WORLD, type World } from './world.js';

const MBIT = 1e6 / 8;
/** Bytes per second of the link `none`: faster than every other part of a transfer. */
export const MEMORY_SPEED = 8e9;

/** Bytes per second by the link's name. */
export const LINKS = {
  '30 Mbit/s': 30 * MBIT,
  '100 Mbit/s': 100 * MBIT,
  '300 Mbit/s': 300 * MBIT,
  '1 Gbit/s': 1000 * MBIT,
  '3 Gbit/s': 3000 * MBIT,
  '10 Gbit/s': 10_000 * MBIT,
  unlimited: MEMORY_SPEED,
};

export const GUESTS: Readonly<Record<string, Partial<World>>> = {
  busy: {},
  idle: { plain: 0.4, size: 0.42 },
  'hardly compressible': { size: 0.9 },
  'other than expected': { bend: 0.2 },
  uneven: { noise: 0.6 },
};

/** A receiver with as little processor time as the sender. */
export const BUSY_RECEIVER = { chunk: 0.2, wire: 0.35, decode: 0.9 };
/** A receiver that writes to a slow disk. */
export const SLOW_RECEIVER = { chunk: 8, wire: 0.35, decode: 0.9 };

interface Phase {
  readonly milliseconds: number;
  /** Changes of the world at the start of the phase. */
  readonly change?: Partial<World>;
  /** Whether the outcome counts the memory that this phase carries. */
  readonly counts: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly world: Partial<World>;
  readonly options?: SimulationOptions;
  readonly phases: readonly Phase[];
}

export interface Outcome {
  /** Guest memory carried in the counted phases, divided by the amount that the best fixed candidate of each would carry. */
  readonly share: number;
  readonly switches: readonly Switch[];
  /** Candidate at the end of the scenario. */
  readonly coding: string;
  readonly linkRate: number | undefined;
  readonly trials: number;
  /** Milliseconds of processor time. */
  readonly trialCpu: number;
  /** Bytes of guest memory, all phases. */
  readonly guest: number;
  /** Simulated milliseconds. */
  readonly ended: number;
}

/** Plays one scenario. */
export function play({ world, options, phases }: Scenario, more: SimulationOptions = {}): Outcome {
  const simulation = new Simulation({ ...WORLD, ...world }, { ...options, ...more });
  let carried = 0;
  let possible = 0;
  for (const { milliseconds, change, counts } of phases) {
    Object.assign(simulation.world, change);
    const from = simulation.now;
    const before = simulation.guest;
    simulation.run(milliseconds);
    if (!counts) continue;
    carried += simulation.guest - before;
    possible += (simulation.best() * (simulation.now - from)) / 1e3;
  }
  return {
    share: carried / possible,
    switches: [...simulation.switches],
    coding: simulation.coding,
    linkRate: simulation.controller.linkRate,
    trials: simulation.controller.trials.count,
    trialCpu: simulation.trialCpu,
    guest: simulation.guest,
    ended: simulation.now,
  };
}

/** The first half second counts too, since a short migration ends before the controller has settled. */
const START: Phase = { milliseconds: 500, counts: true };

function constant(seconds: number): Phase[] {
  return [START, { milliseconds: seconds * 1e3 - START.milliseconds, counts: true }];
}

/** A scenario that changes from one link to another and back. */
function changing(name: string, first: number, second: number): Scenario {
  return {
    name,
    world: { link: first },
    phases: [
      { milliseconds: 4_000, counts: false },
      { milliseconds: 4_000, change: { link: second }, counts: true },
      { milliseconds: 4_000, change: { link: first }, counts: true },
    ],
  };
}

/** @param seconds simulated time of each scenario with constant conditions */
export function scenarios(seconds: number): Scenario[] {
  const links = Object.entries(LINKS);
  return [
    ...links.flatMap(([link, rate]) =>
      Object.entries(GUESTS).map(([guest, traits]) => ({
        name: `${link}, ${guest}`,
        world: { ...traits, link: rate },
        phases: constant(seconds),
      })),
    ),
    ...links.map(([link, rate]) => ({
      name: `${link}, busy receiver`,
      world: { plain: 0.5, link: rate, receiver: BUSY_RECEIVER },
      phases: constant(seconds),
    })),
    {
      name: '10 Gbit/s, slow receiver',
      world: { link: LINKS['10 Gbit/s'], receiver: SLOW_RECEIVER },
      phases: constant(seconds),
    },
    {
      name: '3 Gbit/s, slow reader',
      world: { link: LINKS['3 Gbit/s'], reader: 20 },
      phases: constant(seconds),
    },
    changing('3 Gbit/s to 100 Mbit/s and back', LINKS['3 Gbit/s'], LINKS['100 Mbit/s']),
    changing('1 Gbit/s to 300 Mbit/s and back', LINKS['1 Gbit/s'], LINKS['300 Mbit/s']),
    changing('300 Mbit/s to 10 Gbit/s and back', LINKS['300 Mbit/s'], LINKS['10 Gbit/s']),
    changing('unlimited to 1 Gbit/s and back', LINKS.unlimited, LINKS['1 Gbit/s']),
    {
      name: '1 Gbit/s, memory changes',
      world: { link: LINKS['1 Gbit/s'] },
      phases: [
        { milliseconds: 4_000, counts: false },
        { milliseconds: 4_000, change: { size: 0.95, plain: 1 }, counts: true },
      ],
    },
    {
      name: '100 Mbit/s, known beforehand',
      world: { link: LINKS['100 Mbit/s'] },
      options: { first: { link: { rate: LINKS['100 Mbit/s'], limited: true } } },
      phases: constant(seconds),
    },
  ];
}
