// `ramferry send --dry-run`: the plan on the command line.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { MIB } from '../../../src/units.js';
import { run } from '../command.js';

interface PlanLine {
  readonly message_type: string;
  readonly input: { readonly kind: string; readonly length: number; readonly 'by-extents': boolean };
  readonly memory: { readonly total: number; readonly limit: number };
  readonly 'receiver-may-narrow': boolean;
}

describe('send --dry-run', () => {
  let directory: string;
  let image: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ramferry-dry-run-'));
    image = join(directory, 'guest.ram');
    await writeFile(image, Buffer.alloc(2 * MIB));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it('prints the plan and writes no output, RAM image into a file', async () => {
    const output = join(directory, 'guest.rf');
    const { stdout, status } = await run(['send', '--dry-run', '--format', 'raw', image, output]);
    assert.equal(status, 0);
    assert.match(stdout.toString(), /^input: raw, 2\.0 MiB in a file$/m);
    assert.match(stdout.toString(), /^memory: at most [\d.]+ MiB of 320\.0 MiB$/m);
    assert.match(stdout.toString(), /^Nothing was sent\.$/m);
    assert.doesNotMatch(stdout.toString(), /receiver/);
    assert.equal(existsSync(output), false);
  });

  it('prints one JSON object and connects to nothing, RAM image over a link', async () => {
    const args = ['send', '--dry-run', '--json', '--format', 'raw', image, 'tcp:127.0.0.1:1'];
    const { stdout, status } = await run(args);
    assert.equal(status, 0);
    const plan = JSON.parse(stdout.toString()) as PlanLine;
    assert.equal(plan.message_type, 'plan');
    assert.equal(plan.input.length, 2 * MIB);
    assert.equal(plan.input['by-extents'], true);
    assert.ok(plan.memory.total <= plan.memory.limit);
    assert.equal(plan['receiver-may-narrow'], true);
  });

  it('accepts no connection and requires --format, listening input', async () => {
    const ends = [`unix-listen:${join(directory, 'in.sock')}`, 'tcp:127.0.0.1:1'];
    const refused = await run(['send', '--dry-run', ...ends]);
    assert.match(refused.stderr, /ERR_OPTION_INVALID: --format/);
    const declared = await run(['send', '--dry-run', '--format', 'qemu', ...ends]);
    assert.equal(declared.status, 0);
    assert.match(declared.stdout.toString(), /^input: qemu$/m);
  });
});
