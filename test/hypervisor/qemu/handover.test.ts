// The handover with stand-ins for both QEMUs, and the state after each failure. The rules of docs/SHARED-MEMORY.md are checked
// by the order in which guests ran and stopped: never two at once, and at the source after any failure before `cont`.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { describe, it } from 'node:test';

import { receive } from '../../../src/index.js';
import { RamferryError } from '../../../src/errors.js';
import { migrateGuest } from '../../../src/hypervisor/qemu/source.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { STATE, type FakeQemu, type Turn } from '../support/fake-qemu.js';
import { codeOf, scribble, Stage, writeAt } from './stage.js';

describe('migrateGuest and receiveGuest', () => {
  it('move RAM, zero pages included, and devices', async (test) => {
    const stage = await Stage.open(test);
    const { source, destination } = await stage.migrate({ verifyRam: true });
    assert.deepEqual([codeOf(source), codeOf(destination)], ['completed', 'completed']);
    stage.assertSameRam();
    assert.ok(stage.destination.loaded.equals(STATE));
    assert.deepEqual(stage.history, ['source stops', 'destination runs']);
    assert.equal(stage.source.status, 'postmigrate');
    assert.equal(stage.source.capabilities.get('return-path'), false);
    assert.equal(stage.destination.capabilities.get('late-block-activate'), true);
    assert.ok(!(source instanceof RamferryError));
    const figures = source.sharedMemory!;
    assert.equal(figures.ramSize, fs.statSync(stage.sourceRam).size);
    assert.equal(figures.rounds, source.ram.dirtySyncCount);
    assert.equal(figures.verified, true);
    assert.deepEqual(
      fs.readdirSync(stage.directory).filter((name) => name.includes('state')),
      [],
    );
  });

  it('move what the guest wrote up to its stop', async (test) => {
    const stage = await Stage.open(test);
    let page = 0;
    // The status is queried before each stop, the first time before any round.
    stage.source.hooks['query-status'] = () => {
      scribble(stage.sourceRam, page++, `written ${page}`);
      return undefined;
    };
    stage.source.hooks['stop'] = () => {
      scribble(stage.sourceRam, 299, 'last words');
      delete stage.source.hooks['query-status'];
      return undefined;
    };
    const { source } = await stage.migrate({ maxRounds: 1 });
    assert.equal(codeOf(source), 'completed');
    stage.assertSameRam();
  });

  it('send changed pages as differences', async (test) => {
    const stage = await Stage.open(test);
    const pages = 64;
    // Contents that a codec cannot compress.
    writeAt(stage.sourceRam, 0, randomBytes(pages * PAGE_BYTES));
    stage.source.hooks['stop'] = () => {
      for (let page = 0; page < pages; page++)
        writeAt(stage.sourceRam, page * PAGE_BYTES + 512, randomBytes(64));
      return undefined;
    };
    const { source } = await stage.migrate({ maxRounds: 1, verifyRam: true });
    stage.assertSameRam();
    assert.ok(!(source instanceof RamferryError));
    assert.equal(source.pages.delta, pages);
    assert.ok(source.xbzrleCache!.bytes < pages * 256);
    const without = await Stage.open(test);
    const { source: plain } = await without.migrate({ xbzrleCacheSize: 0 });
    assert.ok(!(plain instanceof RamferryError));
    assert.equal(plain.xbzrleCache, undefined);
  });

  it('quit the source with quitSource', async (test) => {
    const stage = await Stage.open(test);
    await stage.migrate({ quitSource: true });
    await stage.source.end;
    assert.deepEqual(stage.history, ['source stops', 'destination runs']);
  });
});

interface Failure {
  readonly title: string;
  readonly at: (stage: Stage) => FakeQemu;
  readonly command: string;
  readonly turn: (stage: Stage) => Turn;
  readonly source: RegExp;
  readonly stopped: boolean;
}

const source = (stage: Stage): FakeQemu => stage.source;
const destination = (stage: Stage): FakeQemu => stage.destination;
const refusal = (): Turn => ({ error: 'no' });

const FAILURES: readonly Failure[] = [
  {
    title: 'the source refuses its capabilities',
    ...{ at: source, command: 'migrate-set-capabilities', source: /ERR_QMP_COMMAND/, stopped: false },
    turn: (stage) => {
      // Only once: the rescue restores them afterwards.
      delete stage.source.hooks['migrate-set-capabilities'];
      return refusal();
    },
  },
  {
    title: 'the source cannot be stopped',
    ...{ at: source, command: 'stop', turn: refusal, source: /ERR_QMP_COMMAND/, stopped: false },
  },
  {
    title: 'the source does not save its devices',
    ...{ at: source, command: 'migrate', turn: refusal, source: /ERR_QMP_COMMAND/, stopped: true },
  },
  {
    title: 'no destination listens',
    ...{ at: destination, command: 'migrate-incoming', turn: refusal, source: /ERR_/, stopped: false },
  },
  {
    title: 'the destination dies while it loads',
    ...{ at: destination, command: 'load', turn: () => 'death', source: /ERR_PEER_FAILED/, stopped: true },
  },
  {
    title: 'the destination refuses to continue',
    ...{ at: destination, command: 'cont', turn: refusal, source: /ERR_PEER_FAILED/, stopped: true },
  },
  {
    title: 'RAM changes after the devices were saved',
    ...{ at: destination, command: 'load', source: /ERR_GUEST_RAM_CHANGED/, stopped: true },
    turn: () => undefined,
  },
];

describe('failures before the handover end with the source running', () => {
  for (const failure of FAILURES) {
    it(failure.title, async (test) => {
      const stage = await Stage.open(test);
      failure.at(stage).hooks[failure.command] = () => failure.turn(stage);
      if (failure.source.source.includes('CHANGED')) {
        // Between the last round's scan and the final one.
        stage.source.hooks['migrate'] = () => {
          scribble(stage.sourceRam, 5, 'late');
          return undefined;
        };
      }
      const ends = await stage.migrate();
      assert.match(codeOf(ends.source), failure.source);
      assert.ok(ends.destination instanceof RamferryError);
      assert.notEqual(ends.destination.code, 'ERR_HANDOVER_UNKNOWN');
      await stage.assertBack();
      assert.deepEqual(stage.history, failure.stopped ? ['source stops', 'source runs'] : []);
    });
  }

  it('a signal while RAM is sent', async (test) => {
    const stage = await Stage.open(test);
    const controller = new AbortController();
    stage.source.hooks['stop'] = () => {
      controller.abort(new RamferryError('ERR_INTERRUPTED', 'interrupted'));
      return undefined;
    };
    const ends = await stage.migrate({ signal: controller.signal });
    assert.equal(codeOf(ends.source), 'ERR_INTERRUPTED');
    await stage.assertBack();
  });

  it('the source dies: no QEMU runs the guest, and the destination quits', async (test) => {
    const stage = await Stage.open(test);
    stage.source.hooks['stop'] = () => 'death';
    const ends = await stage.migrate();
    assert.match(codeOf(ends.source), /ERR_QMP_CLOSED/);
    await stage.destination.end;
    assert.deepEqual(stage.history, ['source stops']);
  });
});

describe('an unknown outcome', () => {
  it('is reported by both sides when the destination dies within cont; the source stays stopped', async (test) => {
    const stage = await Stage.open(test);
    stage.destination.hooks['cont'] = () => 'death';
    const ends = await stage.migrate();
    assert.deepEqual(
      [codeOf(ends.source), codeOf(ends.destination)],
      ['ERR_HANDOVER_UNKNOWN', 'ERR_HANDOVER_UNKNOWN'],
    );
    assert.equal((ends.source as RamferryError).exitCode, 7);
    assert.deepEqual(stage.history, ['source stops']);
  });

  it('is reported when the destination does not answer cont', async (test) => {
    const stage = await Stage.open(test);
    stage.destination.hooks['cont'] = () => {
      stage.destination.perform('cont');
      // From here on it does not answer.
      stage.destination.hooks['query-status'] = () => 'silence';
      return 'silence';
    };
    const ends = await stage.migrate({ ioTimeout: '3s' });
    assert.equal(codeOf(ends.source), 'ERR_HANDOVER_UNKNOWN');
    assert.deepEqual(stage.history, ['source stops', 'destination runs']);
  });
});

describe('migrateGuest refuses to begin', () => {
  it('when RAM has another size at the destination', async (test) => {
    const stage = await Stage.open(test);
    fs.truncateSync(stage.destinationRam, 4096);
    const ends = await stage.migrate();
    assert.equal(codeOf(ends.source), 'ERR_GUEST_RAM');
    await stage.assertBack();
    assert.deepEqual(stage.history, []);
  });

  it('when the guest does not run', async (test) => {
    const stage = await Stage.open(test);
    stage.source.status = 'paused';
    await assert.rejects(
      migrateGuest({ qmp: stage.path('src.qmp'), ram: [stage.sourceRam], output: 'unix:/nowhere' }),
      { code: 'ERR_GUEST_STATE' },
    );
  });

  it('when the peer is `receive`', async (test) => {
    const stage = await Stage.open(test);
    const link = stage.path('link');
    const receiving = receive({ input: `unix-listen:${link}`, output: stage.path('out') });
    receiving.catch(() => undefined);
    await assert.rejects(
      migrateGuest({ qmp: stage.path('src.qmp'), ram: [stage.sourceRam], output: `unix:${link}` }),
      { code: 'ERR_LINK_NEGOTIATION' },
    );
    await assert.rejects(receiving);
    assert.equal(stage.source.running, true);
  });

  it('over a one-way link', async (test) => {
    const stage = await Stage.open(test);
    await assert.rejects(
      migrateGuest({ qmp: stage.path('src.qmp'), ram: [stage.sourceRam], output: stage.path('file') }),
      { code: 'ERR_OPTION_INVALID' },
    );
  });
});
