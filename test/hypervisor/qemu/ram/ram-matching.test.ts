// Which RAM of the source belongs to which RAM of the destination; and what a peer without backends in its hello requires.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { MemoryBackend } from '../../../../src/hypervisor/qemu/qmp/memory.js';
import type { RamFile } from '../../../../src/hypervisor/qemu/ram/ram-files.js';
import {
  type AnnouncedBackend,
  announcedRam,
  type AnnouncedRam,
  checkUnmatched,
  matchBackends,
  matchRam,
} from '../../../../src/hypervisor/qemu/ram/ram-matching.js';
import { checkIgnored } from '../../../../src/hypervisor/qemu/source-checks.js';
import { MIB } from '../../../../src/units.js';

const a: AnnouncedBackend = { id: 'a', size: 64 * MIB, address: 0 };
const b: AnnouncedBackend = { id: 'b', size: 64 * MIB, address: 64 * MIB };

interface Match {
  readonly title: string;
  readonly there: readonly AnnouncedBackend[];
  /** The ids in the destination's order, or a pattern of the error. */
  readonly expected: readonly string[] | RegExp;
}

const MATCHES: readonly Match[] = [
  { title: 'takes the order of the destination', there: [b, a], expected: ['b', 'a'] },
  {
    title: 'ignores an address that only one QEMU reports',
    there: [{ id: 'a', size: a.size }, b],
    expected: ['a', 'b'],
  },
  {
    title: 'refuses exchanged NUMA nodes',
    there: [
      { ...a, address: b.address },
      { ...b, address: a.address },
    ],
    expected: /backend a lies at 0x0 at the source and 0x4000000/,
  },
  {
    title: 'refuses another size',
    there: [{ ...a, size: 128 * MIB }, b],
    expected: /backend a has 67108864 bytes at the source and 134217728 bytes/,
  },
  {
    title: 'refuses a memory device of another NUMA node',
    there: [a, { ...b, node: 1 }],
    expected: /backend b belongs to no memory device at the source and a memory device of NUMA node 1/,
  },
  {
    title: 'refuses another id',
    there: [a, { ...b, id: 'c' }],
    expected: /c is at the destination only; .*b is at the source only/,
  },
  { title: 'refuses a backend less', there: [a], expected: /b is at the source only/ },
  {
    title: 'refuses an additional backend',
    there: [a, b, { ...b, id: 'c' }],
    expected: /c is at the destination only/,
  },
  { title: 'refuses an id twice', there: [a, a], expected: /names memory backend a twice/ },
];

describe('matchBackends', () => {
  for (const { title, there, expected } of MATCHES) {
    it(title, () => {
      if (expected instanceof RegExp) {
        assert.throws(() => matchBackends([a, b], there), { code: 'ERR_GUEST_RAM', message: expected });
      } else {
        assert.deepEqual(
          matchBackends([a, b], there).map(({ id }) => id),
          expected,
        );
      }
    });
  }
});

function backend(told: AnnouncedBackend, type = 'memory-backend-file'): MemoryBackend {
  return {
    share: true,
    type,
    path: `/ram/${told.id}`,
    offset: 0,
    address: undefined,
    node: undefined,
    ...told,
  };
}

function file(told: AnnouncedBackend, proven = true): RamFile {
  return {
    ...{ path: `/ram/${told.id}`, fd: -1, size: told.size, fresh: false, device: 1n, inode: 1n },
    backend: proven ? backend(told) : undefined,
  };
}

interface Meeting {
  readonly title: string;
  readonly here: readonly RamFile[];
  readonly there: AnnouncedRam;
  readonly ramUnchecked?: boolean;
  /** Paths in their order of sending, and whether matched by id; or a pattern of the error. */
  readonly expected: readonly [paths: readonly string[], matched: boolean] | RegExp;
}

const both = [file(a), file(b)];
const unproven = [file(a, false), file(b, false)];
const sizes = [a.size, b.size];

const MEETINGS: readonly Meeting[] = [
  {
    title: 'both sides know their backends: in the destination’s order',
    ...{ here: both, there: announcedRam([file(b), file(a)]), expected: [['/ram/b', '/ram/a'], true] },
  },
  {
    title: 'a peer of version 0.1 with one file: by size',
    ...{ here: [file(a)], there: { ram: [a.size] }, expected: [['/ram/a'], false] },
  },
  {
    title: 'a peer of version 0.1 with two files: refused',
    ...{ here: both, there: { ram: sizes }, expected: /the destination does not tell which/ },
  },
  {
    title: 'a peer of version 0.1 with two files, --ram-unchecked: in the order of --ram',
    ...{ here: both, there: { ram: sizes }, ramUnchecked: true, expected: [['/ram/a', '/ram/b'], false] },
  },
  {
    title: 'this side does not know its backends: refused',
    ...{ here: unproven, there: announcedRam(both), expected: /this side does not tell which/ },
  },
  {
    title: 'this side does not know its backends, --ram-unchecked: in the order of --ram',
    ...{
      here: unproven,
      there: announcedRam(both),
      ramUnchecked: true,
      expected: [['/ram/a', '/ram/b'], false],
    },
  },
  {
    title: 'a difference that both QEMUs report: refused also with --ram-unchecked',
    ...{
      here: both,
      there: announcedRam([file(a), file({ ...b, id: 'c' })]),
      ramUnchecked: true,
      expected: /c is at the destination only/,
    },
  },
  {
    title: 'different sizes: refused also with --ram-unchecked',
    ...{
      here: unproven,
      there: { ram: [a.size, 4096] },
      ramUnchecked: true,
      expected: /4096 at the destination/,
    },
  },
];

describe('matchRam', () => {
  for (const { title, here, there, ramUnchecked = false, expected } of MEETINGS) {
    it(title, () => {
      if (expected instanceof RegExp) {
        assert.throws(() => matchRam(there, here, ramUnchecked), {
          code: 'ERR_GUEST_RAM',
          message: expected,
        });
        return;
      }
      const { files, matched } = matchRam(there, here, ramUnchecked);
      assert.deepEqual([files.map(({ path }) => path), matched], expected);
    });
  }
});

describe('checkUnmatched', () => {
  it('refuses a source with two unmatched files, without --ram-unchecked', () => {
    assert.throws(() => checkUnmatched(both, false), {
      code: 'ERR_GUEST_RAM',
      message: /the source does not tell/,
    });
    checkUnmatched(both, true);
    checkUnmatched([file(a)], false);
  });
});

describe('checkIgnored', () => {
  for (const [version, type, refused] of [
    [702, 'memory-backend-memfd', false],
    [800, 'memory-backend-memfd', false],
    [801, 'memory-backend-memfd', true],
    [1000, 'memory-backend-shm', true],
    [1000, 'memory-backend-ram', true],
    [1000, 'memory-backend-file', false],
  ] as const) {
    it(`${refused ? 'refuses' : 'takes'} ${type} of QEMU ${version / 100}`, () => {
      const check = (): void => checkIgnored(version, [backend(a), backend(b, type)]);
      if (refused) assert.throws(check, { code: 'ERR_GUEST_RAM', message: new RegExp(`b \\(${type}\\)`) });
      else check();
    });
  }
});
