// Cost of `ramferry emu-manager` beside emu-manager alone, and of ten at once, as when xapi evacuates a host.
// Both ends run on this machine, so they share its processors with emu-manager and the link.

import { rmSync } from 'node:fs';

import { median } from 'simple-statistics';

import { GIB } from '../../src/units.js';
import { type FrontArguments, Host, type Passage } from './emu-host.js';
import { type Cell, round, type Suite, type Table } from '../support/suite.js';

const TURNS = 3;
const AT_ONCE = 10;

const WAYS: readonly (readonly [string, FrontArguments])[] = [
  ['emu-manager alone', undefined],
  ['front, --codec none, no self-check', ['--codec', 'none', '--no-self-check']],
  ['front, --codec none', ['--codec', 'none']],
  ['front, zstd 1, no self-check', ['--no-self-check']],
  ['front, zstd 1', []],
];

export const emu: Suite = {
  name: 'emu',
  summary: 'the front under xapi: its cost beside emu-manager alone, and ten at once',
  run: async ({ image, scratch, report }) => {
    const one = await Host.create(image, GIB, scratch);
    try {
      for (const table of await overhead(one)) report(table);
      report(await aborts(one));
    } finally {
      one.close();
    }
    const small = await Host.create(image, GIB / 4, scratch);
    try {
      report(await evacuation(small));
    } finally {
      small.close();
    }
  },
};

function column(passages: readonly Passage[], name: keyof Passage, scale: number, decimals: number): Cell {
  const value = median(passages.map((passage) => passage[name])) * scale;
  return Number.isNaN(value) ? '–' : round(value, decimals);
}

async function overhead(host: Host): Promise<Table[]> {
  const saves = new Map<string, Passage[]>();
  const restores = new Map<string, Passage[]>();
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [name, front] of WAYS) {
      const wire = host.file('wire');
      saves.set(name, [...(saves.get(name) ?? []), await host.save(front, '/dev/null')]);
      await host.save(front, wire);
      restores.set(name, [...(restores.get(name) ?? []), await host.restore(front, wire, '/dev/null')]);
      rmSync(wire);
    }
  }
  const perGib = GIB / host.bytes;
  const note = `medians of ${TURNS} turns; a guest of 1 GiB, from memory over a unix socket to /dev/null, 2 threads at most`;
  return [
    {
      title: 'A save through the front, per GiB of guest',
      columns: ['way', 's', 'CPU s of the front', 'CPU s of all', 'start ms', 'last stop ms', 'peak MiB'],
      rows: [...saves].map(([name, passages]) => [
        name,
        column(passages, 'wall', perGib, 2),
        column(passages, 'cpu', perGib, 2),
        column(passages, 'cpuOfAll', perGib, 2),
        column(passages, 'startUp', 1e3, 0),
        column(passages, 'last', 1e3, 1),
        column(passages, 'peak', 1 / 2 ** 20, 0),
      ]),
      note: `${note}; last stop: from the answer to suspend: to the result, 40 pages and the device state later`,
    },
    {
      title: 'A restore through the front, per GiB of guest',
      columns: ['way', 's', 'CPU s of the front', 'CPU s of all', 'peak MiB'],
      rows: [...restores].map(([name, passages]) => [
        name,
        column(passages, 'wall', perGib, 2),
        column(passages, 'cpu', perGib, 2),
        column(passages, 'cpuOfAll', perGib, 2),
        column(passages, 'peak', 1 / 2 ** 20, 0),
      ]),
      note,
    },
  ];
}

async function aborts(host: Host): Promise<Table> {
  const seconds: number[] = [];
  for (let turn = 0; turn < 5; turn++) seconds.push(await host.abort(['--codec', 'none']));
  return {
    title: 'From abort to the end of the front, while the link takes nothing',
    columns: ['median ms', 'longest ms'],
    rows: [[round(median(seconds) * 1e3), round(Math.max(...seconds) * 1e3)]],
    note: `${seconds.length} runs`,
  };
}

async function evacuation(host: Host): Promise<Table> {
  const numbers = Array.from({ length: AT_ONCE }, (_, number) => number);
  const wires = numbers.map((number) => host.file(`wire-${number}`));
  const targets = numbers.map((number) => host.file(`target-${number}`));
  const began = performance.now();
  const saves = await Promise.all(wires.map((wire) => host.save([], wire)));
  const turned = performance.now();
  const restores = await Promise.all(wires.map((wire, number) => host.restore([], wire, targets[number]!)));
  const ended = performance.now();
  let identical = 0;
  for (const target of targets) if (await host.same(target)) identical++;
  const row = (name: string, passages: readonly Passage[], seconds: number): Cell[] => [
    name,
    round(seconds / 1e3, 1),
    column(passages, 'cpu', 1, 2),
    round(Math.max(...passages.map(({ cpu }) => cpu)), 2),
    column(passages, 'peak', 1 / 2 ** 20, 0),
    round(Math.max(...passages.map(({ peak }) => peak)) / 2 ** 20),
  ];
  return {
    title: `${AT_ONCE} fronts at once`,
    columns: ['', 's in all', 'CPU s of one', 'most', 'peak MiB of one', 'most'],
    rows: [row('save', saves, turned - began), row('restore', restores, ended - turned)],
    note: `guests of 256 MiB, defaults (zstd 1, self-check, host threads as many as CPUs); ${identical} of ${AT_ONCE} arrived identical`,
  };
}
