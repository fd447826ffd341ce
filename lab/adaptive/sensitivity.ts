// What each constant of the adaptive policy does to the simulated outcomes when it is halved and doubled. Deterministic.

import { type Policy, POLICY } from '../../src/transfer/adaptive/policy.js';
import { type Outcome, play, type Scenario, scenarios } from './scenarios.js';

/** Where a constant stands: group and name. */
export interface ConstantPath {
  readonly group: keyof Policy;
  readonly name: string;
}

/** What another value changes. */
export interface Effect {
  /** Scenarios whose outcome is not bit-identical. */
  readonly changed: number;
  /** Change of the guest memory that was carried, over all scenarios, as a share. */
  readonly mean: number;
  /** The scenario that loses most, and how much; undefined where none loses. */
  readonly worst: { readonly scenario: string; readonly change: number } | undefined;
  /** Switches more or less, all scenarios together. */
  readonly switches: number;
}

/** All constants of the policy, bounds and time-outs last. */
export function constants(): ConstantPath[] {
  return (Object.keys(POLICY) as (keyof Policy)[]).flatMap((group) =>
    Object.keys(POLICY[group]).map((name) => ({ group, name })),
  );
}

export function valueOf({ group, name }: ConstantPath): number {
  return (POLICY[group] as Readonly<Record<string, number>>)[name]!;
}

/** The policy with one other value. */
export function policyWith(path: ConstantPath, value: number): Policy {
  return { ...POLICY, [path.group]: { ...POLICY[path.group], [path.name]: value } };
}

export class SensitivityRun {
  readonly #scenarios: readonly Scenario[];
  readonly #base: readonly Outcome[];

  /** @param seconds of simulated time for each scenario whose conditions stay the same */
  constructor(seconds: number) {
    this.#scenarios = scenarios(seconds);
    this.#base = this.#scenarios.map((scenario) => play(scenario));
  }

  get scenarios(): number {
    return this.#scenarios.length;
  }

  /** What happens with this value in place of the constant's own. */
  effectOf(path: ConstantPath, value: number): Effect {
    const policy = policyWith(path, value);
    let changed = 0;
    let sum = 0;
    let switches = 0;
    let worst: Effect['worst'];
    this.#scenarios.forEach((scenario, index) => {
      const before = this.#base[index]!;
      const after = play(scenario, { policy });
      if (JSON.stringify(after) !== JSON.stringify(before)) changed++;
      const change = after.share / before.share - 1;
      sum += change;
      switches += after.switches.length - before.switches.length;
      if (change < (worst?.change ?? 0)) worst = { scenario: scenario.name, change };
    });
    return { changed, mean: sum / this.#scenarios.length, worst, switches };
  }
}
