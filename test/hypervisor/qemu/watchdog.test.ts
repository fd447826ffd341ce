// ramferry is killed with SIGKILL at the relevant moments; its watchdog then does what docs/SHARED-MEMORY.md says.
// The stand-ins hold a command back until the kill has happened, so the moments are exact.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';

import type { Command } from '../../cli/command.js';
import type { Turn } from '../support/fake-qemu.js';
import { Stage } from './stage.js';

/** Kills, and resolves when the process is gone. */
async function kill({ process }: Command): Promise<void> {
  process.kill('SIGKILL');
  if (process.signalCode === null) await once(process, 'exit');
}

/** The stand-in's next such command waits until the kill has happened, and then has the effect `what`. */
function killAt(stage: Stage, side: 'source' | 'destination', command: string, victim: () => Command): void {
  const fake = stage[side];
  fake.hooks[command] = async (): Promise<Turn> => {
    fake.hooks[command] = undefined;
    await kill(victim());
    return 'silence';
  };
}

describe('watchdog after a kill', () => {
  it('continues the guest: source killed while the guest is stopped', async (test) => {
    const stage = await Stage.open(test);
    killAt(stage, 'source', 'migrate', () => stage.started.source!);
    const ends = await stage.start();
    const { status } = await ends.destination.ended;
    assert.notEqual(status, 0);
    await stage.assertBack();
    assert.deepEqual(stage.history, ['source stops', 'source runs']);
  });

  it('lets the guest run on: source killed before the stop', async (test) => {
    const stage = await Stage.open(test);
    killAt(stage, 'destination', 'migrate-incoming', () => stage.started.source!);
    // The destination's QEMU has not answered by then.
    const ends = await stage.start(['--io-timeout', '3s']);
    await ends.destination.ended;
    await ends.source.ended;
    await stage.destination.end;
    assert.deepEqual(stage.history, []);
    assert.equal(stage.source.running, true);
  });

  it('is not needed: destination killed before its start, QEMU accepts another attempt', async (test) => {
    const stage = await Stage.open(test);
    const { destination } = stage;
    const before = [...destination.capabilities];
    // The last command before the link is opened and the watchdog started.
    destination.hooks['query-migrate-capabilities'] = async (): Promise<Turn> => {
      destination.hooks['query-migrate-capabilities'] = undefined;
      await kill(stage.started.destination!);
      return 'silence';
    };
    await assert.rejects(stage.start(), /ended without saying/);
    assert.deepEqual(
      destination.commands.filter((name) => !/^(query-|qom-get|qom-list|qmp_capabilities)/.test(name)),
      [],
    );
    assert.deepEqual([...destination.capabilities], before);
    const ends = await stage.start();
    assert.equal((await ends.source.ended).status, 0);
    assert.deepEqual(stage.history, ['source stops', 'destination runs']);
  });

  it('lets the source continue its guest: destination killed before `cont`', async (test) => {
    const stage = await Stage.open(test);
    stage.source.hooks['migrate'] = async () => {
      await kill(stage.started.destination!);
      return undefined;
    };
    const ends = await stage.start();
    const { status, stderr } = await ends.source.ended;
    assert.equal(status, 4, stderr);
    await stage.assertBack();
    assert.deepEqual(stage.history, ['source stops', 'source runs']);
  });

  it('tells the source that the guest runs: destination killed after `cont` was executed', async (test) => {
    const stage = await Stage.open(test);
    stage.destination.hooks['cont'] = async (): Promise<Turn> => {
      stage.destination.perform('cont');
      await kill(stage.started.destination!);
      return 'silence';
    };
    const ends = await stage.start();
    const { status, stderr } = await ends.source.ended;
    assert.equal(status, 0, stderr);
    assert.deepEqual(stage.history, ['source stops', 'destination runs']);
  });

  it('lets the source continue its guest: destination killed and `cont` not executed', async (test) => {
    const stage = await Stage.open(test);
    killAt(stage, 'destination', 'cont', () => stage.started.destination!);
    const ends = await stage.start();
    const { status, stderr } = await ends.source.ended;
    assert.equal(status, 4, stderr);
    await stage.assertBack();
    assert.deepEqual(stage.history, ['source stops', 'source runs']);
  });

  it('leaves the guest stopped while the destination runs it: source killed after GO', async (test) => {
    const stage = await Stage.open(test);
    stage.destination.hooks['cont'] = async () => {
      await kill(stage.started.source!);
      return undefined;
    };
    const ends = await stage.start();
    assert.equal((await ends.destination.ended).status, 0);
    // The pipes close when the watchdog has ended, which holds them, too.
    await ends.source.ended;
    assert.deepEqual(stage.history, ['source stops', 'destination runs']);
  });

  for (const [how, options] of [
    ['', []],
    [', with --reconnect', ['--reconnect', '300ms']],
  ] as const) {
    it(`continues the guest: source killed after GO, and the destination refuses${how}`, async (test) => {
      const stage = await Stage.open(test);
      stage.destination.hooks['cont'] = async () => {
        await kill(stage.started.source!);
        return { error: 'no' };
      };
      const ends = await stage.start(options);
      await ends.source.ended;
      await stage.assertBack();
      assert.deepEqual(stage.history, ['source stops', 'source runs']);
    });
  }

  it('continues the guest: source killed while the guest is stopped, with --reconnect', async (test) => {
    const stage = await Stage.open(test);
    killAt(stage, 'source', 'migrate', () => stage.started.source!);
    const ends = await stage.start(['--reconnect', '300ms']);
    await stage.assertBack();
    // It would keep its outcome for 10 s.
    ends.destination.process.kill('SIGINT');
    assert.notEqual((await ends.destination.ended).status, 0);
    assert.deepEqual(stage.history, ['source stops', 'source runs']);
  });

  it('lets the source continue its guest: destination killed before `cont`, with --reconnect', async (test) => {
    const stage = await Stage.open(test);
    stage.source.hooks['migrate'] = async () => {
      await kill(stage.started.destination!);
      return undefined;
    };
    const ends = await stage.start(['--reconnect', '300ms']);
    const { status, stderr } = await ends.source.ended;
    assert.equal(status, 4, stderr);
    await stage.assertBack();
    assert.deepEqual(stage.history, ['source stops', 'source runs']);
  });

  it('continues the source’s guest: both sides killed', async (test) => {
    const stage = await Stage.open(test);
    stage.source.hooks['migrate'] = async (): Promise<Turn> => {
      await Promise.all([kill(stage.started.source!), kill(stage.started.destination!)]);
      return 'silence';
    };
    const ends = await stage.start();
    await ends.source.ended;
    await stage.assertBack();
  });
});
