// Sensitivity of the simulated outcomes to each constant of the adaptive policy, halved and doubled. Deterministic.

import { type Policy, POLICY } from '../../src/transfer/adaptive/policy.js';
import { type Outcome, play, type Scenario, scenarios } from './scenarios.js';

/** Path of a constant in the policy: group and name. */
export interface ConstantPath {
  readonly group: keyof Policy;
  readonly name: string;
}

/** Effect of another value of a constant. */
export interface Effect {
  /** Number of scenarios whose outcome is not bit-identical. */
  readonly changed: number;
  /** Mean relative change of the carried guest memory over all scenarios. */
  readonly mean: number;
  /** The scenario with the largest loss; undefined when no scenario loses. */
  readonly worst: { readonly scenario: string; readonly change: number } | undefined;
  /** Change of the number of switches over all scenarios. */
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

/** The policy with one value replaced. */
export function policyWith(path: ConstantPath, value: number): Policy {
  return { ...POLICY, [path.group]: { ...POLICY[path.group], [path.name]: value } };
}

export class SensitivityRun {
  readonly #scenarios: readonly Scenario[];
  readonly #base: readonly Outcome[];

  /** @param seconds simulated time of each scenario with constant conditions */
  constructor(seconds: number) {
    this.#scenarios = scenarios(seconds);
    this.#base = this.#scenarios.map((scenario) => play(scenario));
  }

  get scenarios(): number {
    return this.#scenarios.length;
  }

  /** Effect of this value in place of the constant's own. */
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
