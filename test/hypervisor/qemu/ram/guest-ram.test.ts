// Guests with two memory backends, in complete migrations between stand-ins for both QEMUs that have mapped their RAM files:
// each file is matched to its backend, and a file without proof or with a difference is refused before a byte is written.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';

import { RamferryError } from '../../../../src/errors.js';
import { receiveGuest } from '../../../../src/hypervisor/qemu/destination.js';
import type { IncomingOptions, MigrateOptions } from '../../../../src/options/rows/migrate.js';
import { migrateGuest } from '../../../../src/hypervisor/qemu/source.js';
import { PAGE_BYTES } from '../../../../src/page/size.js';
import { FakeQemu, type FakeBackend, type FakeQemuOptions } from '../../support/fake-qemu.js';
import { codeOf, type Ends, scribble } from '../stage.js';

const PAGES = 64;

/** The names of each side's RAM files: `a` and `b` of the source and of the destination. */
class Pair {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-pair-'));
  readonly history: string[] = [];
  readonly warnings: string[] = [];
  source!: FakeQemu;
  destination!: FakeQemu;

  constructor(test: TestContext) {
    test.after(() => {
      for (const fake of [this.source, this.destination]) if (!fake.gone) fake.die();
      fs.rmSync(this.directory, { recursive: true, force: true });
    });
    for (const id of ['a', 'b']) {
      this.write(`src.${id}`, `source ${id}`);
      this.write(`dst.${id}`, 'before');
    }
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  write(name: string, text: string): string {
    fs.writeFileSync(this.path(name), Buffer.alloc(PAGES * PAGE_BYTES, text));
    return this.path(name);
  }

  /** Changes of both sides' backends, or of one side's. */
  async start(
    change: (backend: FakeBackend, side: 'src' | 'dst') => FakeBackend = (backend) => backend,
    options: Partial<FakeQemuOptions> = {},
  ): Promise<this> {
    const of = (side: 'src' | 'dst'): FakeQemuOptions => ({
      ...{ monitor: this.path(`${side}.qmp`), history: this.history, name: side },
      ram: ['a', 'b'].map((id, index) =>
        change({ id, file: this.path(`${side}.${id}`), address: index * PAGES * PAGE_BYTES }, side),
      ),
      ...options,
    });
    this.source = await FakeQemu.start(of('src'));
    this.destination = await FakeQemu.start({ ...of('dst'), incoming: true });
    return this;
  }

  async migrate(
    source: Partial<MigrateOptions> = {},
    destination: Partial<IncomingOptions> = {},
  ): Promise<Ends> {
    const link = this.path('link');
    const controller = new AbortController();
    const onWarning = (message: string): void => void this.warnings.push(message);
    const asError = (thrown: unknown): RamferryError => {
      assert.ok(thrown instanceof RamferryError, String(thrown));
      // The other side would go on waiting for a connection.
      controller.abort(new RamferryError('ERR_INTERRUPTED', 'the other side has given up'));
      return thrown;
    };
    const { signal } = controller;
    const receiving = receiveGuest({
      ...{
        qmp: this.path('dst.qmp'),
        input: `unix-listen:${link}`,
        connectTimeout: '20s',
        signal,
        onWarning,
      },
      ...destination,
    }).catch(asError);
    const sending = migrateGuest({
      ...{ qmp: this.path('src.qmp'), output: `unix:${link}`, compressThreads: 1, onWarning },
      ...source,
    }).catch(asError);
    const ends = await Promise.all([sending, receiving]);
    return { source: ends[0], destination: ends[1] };
  }

  both(side: 'src' | 'dst', order: readonly string[] = ['a', 'b']): string[] {
    return order.map((id) => this.path(`${side}.${id}`));
  }

  /** Checks that the guest arrived, each node unchanged. */
  assertArrived(ends: Ends): void {
    assert.deepEqual(
      [codeOf(ends.source), codeOf(ends.destination)],
      ['completed', 'completed'],
      messages(ends),
    );
    for (const id of ['a', 'b']) this.assertHas(`dst.${id}`, `source ${id}`);
  }

  /** Checks that no byte was written and the guest never stopped. */
  assertRefused(ends: Ends, message: RegExp): void {
    assert.match(messages(ends), message);
    assert.match(messages(ends), /ERR_GUEST_RAM/);
    assert.deepEqual(this.history, []);
    assert.equal(this.source.running, true);
    for (const id of ['a', 'b']) this.assertHas(`dst.${id}`, 'before');
  }

  assertHas(name: string, text: string): void {
    assert.ok(
      fs.readFileSync(this.path(name)).equals(Buffer.alloc(PAGES * PAGE_BYTES, text)),
      `${name}: not ${text}`,
    );
  }
}

function messages(ends: Ends): string {
  return [ends.source, ends.destination]
    .map((end) => (end instanceof RamferryError ? `${end.code}: ${end.message}` : end.status))
    .join(' | ');
}

describe('openGuestRam with two memory backends', () => {
  it('moves each node to its own, in any order of --ram', async (test) => {
    const pair = await new Pair(test).start();
    const ends = await pair.migrate(
      { ram: pair.both('src'), verifyRam: true },
      { ram: pair.both('dst', ['b', 'a']) },
    );
    pair.assertArrived(ends);
    assert.deepEqual(pair.warnings, []);
  });

  it('moves each node to its own, without --ram', async (test) => {
    const pair = await new Pair(test).start();
    pair.assertArrived(await pair.migrate({ verifyRam: true }));
  });

  it('compares each memory backend with --verify-ram', async (test) => {
    const pair = await new Pair(test).start();
    pair.destination.hooks['load'] = () => {
      scribble(pair.path('dst.b'), 7, 'a fault');
      return undefined;
    };
    const ends = await pair.migrate({ verifyRam: true });
    assert.equal(codeOf(ends.source), 'ERR_GUEST_RAM_CHANGED');
    assert.match(messages(ends), /memory backend b differs/);
    assert.deepEqual(pair.history, ['src stops', 'src runs']);
  });

  interface Refusal {
    readonly title: string;
    readonly change?: (backend: FakeBackend, side: 'src' | 'dst') => FakeBackend;
    readonly version?: { readonly major: number; readonly minor: number };
    readonly source?: (pair: Pair) => Partial<MigrateOptions>;
    readonly destination?: (pair: Pair) => Partial<IncomingOptions>;
    readonly expected: RegExp;
  }

  const memfd = (backend: FakeBackend): FakeBackend => ({
    ...backend,
    path: null,
    type: 'memory-backend-memfd',
  });

  const REFUSALS: readonly Refusal[] = [
    {
      title: 'the destination has the backends of its nodes exchanged',
      change: (backend, side) =>
        side === 'src' ? backend : { ...backend, address: backend.id === 'a' ? PAGES * PAGE_BYTES : 0 },
      expected: /memory backend a lies at 0x0 at the source and 0x40000 at the destination/,
    },
    {
      title: 'a backend has another id',
      change: (backend, side) => (side === 'dst' && backend.id === 'b' ? { ...backend, id: 'c' } : backend),
      expected: /memory backend c is at the destination only/,
    },
    {
      title: 'a memory device belongs to another node',
      change: (backend, side) =>
        backend.id === 'b' ? { ...backend, node: side === 'src' ? 0 : 1 } : backend,
      expected: /NUMA node 0 at the source and a memory device of NUMA node 1/,
    },
    {
      title: 'a file of the source is not mapped by its QEMU',
      source: (pair) => ({ ram: [pair.path('src.a'), pair.write('other', 'other')] }),
      expected: /other is no memory backend of this QEMU/,
    },
    {
      title: 'a file of the destination is not mapped by its QEMU',
      destination: (pair) => ({ ram: [pair.write('other', 'other'), pair.path('dst.a')] }),
      expected: /other is no memory backend of this QEMU/,
    },
    {
      title: 'a backend is not named',
      source: (pair) => ({ ram: [pair.path('src.a')] }),
      expected: /memory backend b .* is none of the files named/,
    },
    {
      title: 'a file is named twice',
      source: (pair) => ({ ram: [pair.path('src.a'), pair.path('src.a')] }),
      expected: /src\.a is the same file twice/,
    },
    {
      title: 'QEMU has not mapped the file of that name',
      change: (backend, side) => ({
        ...backend,
        path: side === 'src' ? `${backend.file}.same` : backend.file,
      }),
      source: (pair) => {
        for (const id of ['a', 'b']) pair.write(`src.${id}.same`, 'of another guest');
        return {};
      },
      expected: /has not mapped \S+src\.a\.same of memory backend a/,
    },
    {
      title: 'two backends without a path have the same size',
      change: memfd,
      expected: /memory backends a and b have no path and the same size/,
    },
    {
      title: 'only one side has --ram-unchecked',
      change: memfd,
      source: (pair) => ({ ram: pair.both('src'), ramUnchecked: true }),
      expected: /memory backends a and b have no path and the same size/,
    },
    {
      title: 'QEMU 8.1 would send a memfd itself',
      change: (backend) => (backend.id === 'b' ? memfd(backend) : backend),
      version: { major: 8, minor: 1 },
      expected: /QEMU 8\.1 carries memory backend b \(memory-backend-memfd\) itself/,
    },
    {
      title: 'a backend is not shared',
      change: (backend) => (backend.id === 'b' ? { ...backend, share: false } : backend),
      expected: /memory backend b is not shared/,
    },
    {
      title: 'a backend and its file differ in size',
      change: (backend) => (backend.id === 'b' ? { ...backend, size: PAGE_BYTES } : backend),
      expected: /memory backend b \(\S+\) has 4096 bytes, its file 262144/,
    },
  ];

  for (const { title, change, version, source, destination, expected } of REFUSALS) {
    it(`refuses before a byte is written: ${title}`, async (test) => {
      const pair = new Pair(test);
      const [from, to] = [source?.(pair), destination?.(pair)];
      await pair.start(change, version === undefined ? {} : { version });
      pair.assertRefused(await pair.migrate(from, to), expected);
    });
  }

  it('refuses a --qemu-pid of another process', async (test) => {
    const pair = await new Pair(test).start();
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    test.after(() => other.kill());
    await once(other, 'spawn');
    pair.assertRefused(
      await pair.migrate({ qemuPid: other.pid! }),
      new RegExp(`process ${other.pid} \\(sleep\\) has not mapped`),
    );
  });

  it('uses the order of --ram with a warning, with --ram-unchecked on both sides', async (test) => {
    const pair = await new Pair(test).start(memfd);
    const ends = await pair.migrate(
      { ram: pair.both('src'), ramUnchecked: true, verifyRam: true },
      { ram: pair.both('dst'), ramUnchecked: true },
    );
    pair.assertArrived(ends);
    assert.equal(
      pair.warnings.filter((text) => text.includes('the files of --ram are used without proof')).length,
      2,
    );
  });

  it('requires --ram with --ram-unchecked', async () => {
    await assert.rejects(migrateGuest({ qmp: '/none', output: 'unix:/none', ramUnchecked: true }), {
      code: 'ERR_OPTION_INVALID',
    });
  });
});
