// Suite `adaptive-sensitivity`: every constant of the adaptive policy halved and doubled, in the simulation. Needs no link
// and no root; takes some minutes. docs/ADAPTIVE.md has its table.

import { constants, type Effect, SensitivityRun, valueOf } from '../../lab/adaptive/sensitivity.js';
import type { Suite } from '../support/suite.js';

/** Simulated seconds of a scenario with constant conditions. */
const SECONDS = 4;

function percent(share: number): string {
  return `${share > 0 ? '+' : ''}${(share * 100).toFixed(2)} %`;
}

function text({ changed, mean, worst, switches }: Effect): string {
  if (changed === 0) return 'none';
  const least = worst === undefined ? '' : `; ${percent(worst.change)} in ${worst.scenario}`;
  return `${changed}: ${percent(mean)}, ${switches > 0 ? '+' : ''}${switches} switches${least}`;
}

export const adaptiveSensitivity: Suite = {
  name: 'adaptive-sensitivity',
  summary: 'each constant of the adaptive policy halved and doubled, simulated',
  run: ({ report }) => {
    const run = new SensitivityRun(SECONDS);
    report({
      title: `Adaptive policy: effect of each constant on ${run.scenarios} simulated transfers`,
      columns: ['constant', 'value', 'halved', 'doubled'],
      rows: constants().map((path) => {
        const value = valueOf(path);
        const effect = (factor: number): string => text(run.effectOf(path, value * factor));
        return [`${path.group}.${path.name}`, String(value), effect(0.5), effect(2)];
      }),
      note: `transfers whose outcome changes: mean change of the guest memory carried, switches more or less; the largest loss. ${SECONDS} simulated seconds each, changing links 12 s`,
    });
    return Promise.resolve();
  },
};
