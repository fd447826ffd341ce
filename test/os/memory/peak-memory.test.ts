// The most memory a process had, also where a larger one has started it.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

import { peakMemory } from '../../../src/os/memory/peak-memory.js';
import { MIB } from '../../../src/units.js';

describe('peakMemory', () => {
  it('counts touched memory', () => {
    const before = peakMemory();
    const memory = Buffer.alloc(64 * MIB, 1);
    const most = peakMemory();
    assert.ok(most > 64 * MIB, `${before} -> ${most}`);
    assert.equal(memory[MIB], 1);
  });

  it('excludes the peak of the parent process', { skip: process.platform !== 'linux' }, async () => {
    const memory = Buffer.alloc(300 * MIB, 1);
    const module = new URL('../../../src/os/memory/peak-memory.js', import.meta.url).href;
    const program = `import { peakMemory } from ${JSON.stringify(module)}; console.log(peakMemory());`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(memory[MIB], 1);
    const peak = Number(stdout);
    assert.ok(peak > 10 * MIB && peak < 200 * MIB, `${peak}`);
  });
});
