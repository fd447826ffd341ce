// The scanner against a direct comparison of pages with their last copies, with several thread counts; and the end of rounds.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';

import { Convergence } from '../../../../src/hypervisor/qemu/convergence.js';
import { closeRamFiles, openRamFiles } from '../../../../src/hypervisor/qemu/ram/ram-files.js';
import { Scanner } from '../../../../src/hypervisor/qemu/ram/scanner.js';
import { PAGE_BYTES } from '../../../../src/page/size.js';

/** Neither a multiple of an extent nor of a block. */
const PAGES = [211, 64, 3];

function open(test: TestContext, threads: number): { scanner: Scanner; paths: string[] } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-scan-'));
  const paths = PAGES.map((pages, index) => {
    const name = path.join(directory, String(index));
    fs.writeFileSync(name, Buffer.alloc(pages * PAGE_BYTES));
    return name;
  });
  const files = openRamFiles(paths, 'read');
  const scanner = new Scanner(files, threads);
  test.after(async () => {
    await scanner.close();
    closeRamFiles(files);
    fs.rmSync(directory, { recursive: true });
  });
  return { scanner, paths };
}

function write(name: string, page: number, text: string): void {
  const fd = fs.openSync(name, 'r+');
  fs.writeSync(fd, Buffer.alloc(PAGE_BYTES, text), 0, PAGE_BYTES, page * PAGE_BYTES);
  fs.closeSync(fd);
}

/** Region, number and first bytes of every page of a round. */
async function round(scanner: Scanner): Promise<[number, number, string][]> {
  const found: [number, number, string][] = [];
  for await (const { region, numbers, pages } of scanner.round()) {
    assert.equal(pages.length, numbers.length * PAGE_BYTES);
    numbers.forEach((number, index) => {
      const first = Buffer.from(pages.subarray(index * PAGE_BYTES, index * PAGE_BYTES + 4)).toString();
      found.push([region, number, first]);
    });
  }
  return found;
}

describe('Scanner', () => {
  for (const threads of [1, 3]) {
    it(`finds all pages first and then the changed ones, with ${threads} threads`, async (test) => {
      const { scanner, paths } = open(test, threads);
      const all = await round(scanner);
      assert.deepEqual(
        all.map(([region, number]) => [region, number]),
        PAGES.flatMap((pages, region) => Array.from({ length: pages }, (_, number) => [region, number])),
      );
      assert.deepEqual(await round(scanner), []);
      assert.equal(await scanner.differing(), 0);

      write(paths[0]!, 0, 'frst');
      write(paths[0]!, 17, 'next');
      write(paths[0]!, 18, 'more');
      write(paths[0]!, 210, 'last');
      write(paths[2]!, 2, 'tail');
      // differing() does not update the hashes.
      assert.equal(await scanner.differing(), 5);
      assert.equal(await scanner.differing(), 5);
      assert.deepEqual(await round(scanner), [
        ...[[0, 0, 'frst'] as const, [0, 17, 'next'] as const, [0, 18, 'more'] as const],
        ...[[0, 210, 'last'] as const, [2, 2, 'tail'] as const],
      ]);
      assert.equal(await scanner.differing(), 0);
      // A page with its contents of two rounds ago counts as changed: the destination has the later contents.
      write(paths[0]!, 17, '\0');
      assert.deepEqual(await round(scanner), [[0, 17, '\0\0\0\0']]);
    });
  }

  it('fails when a RAM file becomes shorter', async (test) => {
    const { scanner, paths } = open(test, 1);
    fs.truncateSync(paths[1]!, PAGE_BYTES);
    await assert.rejects(round(scanner), { code: 'ERR_INPUT_CHANGED' });
  });
});

describe('Convergence', () => {
  const busy = { pages: 10_000, milliseconds: 1000, scanning: 50, carrying: 900 };

  it('does not stop the guest after the first round, which does not measure its writes', () => {
    const convergence = new Convergence(300, 30);
    assert.equal(convergence.isDue(convergence.add({ ...busy, pages: 5 })), false);
  });

  it('stops the guest when the remaining pages and both scans fit the downtime limit', () => {
    const convergence = new Convergence(300, 30);
    convergence.add(busy);
    assert.equal(convergence.isDue(convergence.add(busy)), false);
    assert.equal(convergence.isDue(convergence.add({ ...busy, pages: 100, carrying: 9 })), true);
    assert.equal(
      convergence.isDue(convergence.add({ pages: 100, milliseconds: 200, scanning: 190, carrying: 9 })),
      false,
    );
  });

  it('stops the guest after the last allowed round', () => {
    const convergence = new Convergence(300, 3);
    const due = [busy, busy, busy].map((each) => convergence.isDue(convergence.add(each)));
    assert.deepEqual(due, [false, false, true]);
  });
});
