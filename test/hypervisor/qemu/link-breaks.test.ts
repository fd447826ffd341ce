// The link of `migrate` breaks at chosen moments, with stand-ins for both QEMUs: the guest runs on exactly one side, and the source says which. With
// `reconnect` the hypervisors see a pause; without it the source asks on another connection how the handover ended.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import type { MigrateOptions } from '../../../src/options/rows/migrate.js';
import { freePort } from '../../../lab/free-port.js';
import { type Break, BreakingProxy } from '../../link/resume/breaking-proxy.js';
import { codeOf, type Ends, PAGES, Stage, writeAt } from './stage.js';

/** RAM that does not compress: 1.2 MB pass through the link. */
const NOISE = randomBytes(PAGES * 4096);
const HANDED_OVER = ['source stops', 'destination runs'];
const TAKEN_BACK = ['source stops', 'source runs'];

class Broken {
  readonly stage: Stage;
  readonly proxy: BreakingProxy;
  readonly #port: number;

  private constructor(stage: Stage, proxy: BreakingProxy, port: number) {
    this.stage = stage;
    this.proxy = proxy;
    this.#port = port;
  }

  static async open(test: TestContext, breaks: readonly Break[] = []): Promise<Broken> {
    const stage = await Stage.open(test);
    writeAt(stage.sourceRam, 0, NOISE);
    const port = await freePort();
    const proxy = await BreakingProxy.open({ host: '127.0.0.1', port }, breaks);
    test.after(() => proxy.close());
    return new Broken(stage, proxy, port);
  }

  /** Calls `act` when the guest is about to run at the destination, before or after it does. */
  atHandover(act: () => void, when: 'before' | 'after'): void {
    const { destination } = this.stage;
    destination.hooks['cont'] = () => {
      if (when === 'after') destination.perform('cont');
      act();
      return undefined;
    };
  }

  /** Calls `act` between the destination's `ready` and the source's GO. */
  beforeGo(act: () => void): void {
    const { source } = this.stage;
    source.hooks['query-status'] = () => {
      if (source.status !== 'postmigrate') return undefined;
      delete source.hooks['query-status'];
      act();
      return undefined;
    };
  }

  /** The guest runs at the source again, and both sides know that it does not run at the destination. */
  async assertTakenBack({ source, destination }: Ends, code: string): Promise<void> {
    assert.equal(codeOf(source), code);
    assert.ok(destination instanceof RamferryError);
    await this.stage.assertBack();
    assert.deepEqual(this.stage.history, TAKEN_BACK);
  }

  async migrate(options: Partial<MigrateOptions>, signal?: AbortSignal): Promise<Ends> {
    return this.stage.migrate(options, {
      ...(signal === undefined ? {} : { signal }),
      input: `tcp-listen:127.0.0.1:${this.#port}`,
      output: `tcp:127.0.0.1:${this.proxy.port}`,
    });
  }
}

describe('migrate over a link that breaks, with reconnect', () => {
  it('goes on, broken in the middle of RAM and at the handover', async (test) => {
    const link = await Broken.open(test, [
      { direction: 'forward', at: 300_000, kind: 'reset', down: 100 },
      { direction: 'forward', at: 800_000, kind: 'end' },
    ]);
    link.atHandover(() => link.proxy.cut('reset', 100), 'before');
    const { source, destination } = await link.migrate({ reconnect: '20s', verifyRam: true });
    assert.deepEqual([codeOf(source), codeOf(destination)], ['completed', 'completed']);
    assert.deepEqual(link.stage.history, HANDED_OVER);
    link.stage.assertSameRam();
    assert.ok(!(source instanceof RamferryError));
    assert.equal(source.linkBreaks!.breaks, 3);
  });

  it('takes the guest back, where GO was lost and the time is over', async (test) => {
    const link = await Broken.open(test);
    link.beforeGo(() => link.proxy.cut('reset', 1_500));
    await link.assertTakenBack(await link.migrate({ reconnect: '500ms' }), 'ERR_PEER_FAILED');
  });

  it('takes the guest back, where the link stays broken in RAM', async (test) => {
    const link = await Broken.open(test, [
      { direction: 'forward', at: 300_000, kind: 'reset', down: 60_000 },
    ]);
    const interrupt = new AbortController();
    // The destination would keep its outcome for 10 s.
    link.stage.source.hooks['cont'] = () => void setTimeout(() => interrupt.abort(), 500);
    await link.assertTakenBack(
      await link.migrate({ reconnect: '500ms' }, interrupt.signal),
      'ERR_LINK_TIMEOUT',
    );
  });
});

describe('migrate over a link that breaks at the handover', () => {
  it('hears that the guest runs there', async (test) => {
    const link = await Broken.open(test);
    link.atHandover(() => link.proxy.cut('reset'), 'after');
    const { source, destination } = await link.migrate({});
    assert.deepEqual([codeOf(source), codeOf(destination)], ['completed', 'completed']);
    assert.deepEqual(link.stage.history, HANDED_OVER);
  });

  it('takes the guest back, where GO was lost', async (test) => {
    const link = await Broken.open(test);
    link.beforeGo(() => link.proxy.cut('silence'));
    await link.assertTakenBack(await link.migrate({ ioTimeout: '2s' }), 'ERR_PEER_FAILED');
  });

  it('leaves the source in doubt, where the destination does not answer', async (test) => {
    const link = await Broken.open(test);
    const interrupt = new AbortController();
    link.atHandover(() => {
      link.proxy.cut('reset', 60_000);
      // The destination keeps its outcome for a minute, unless it is interrupted.
      setTimeout(() => interrupt.abort(), 500);
    }, 'after');
    const { source, destination } = await link.migrate({}, interrupt.signal);
    assert.deepEqual([codeOf(source), codeOf(destination)], ['ERR_HANDOVER_UNKNOWN', 'completed']);
    assert.deepEqual(link.stage.history, HANDED_OVER);
  });
});
