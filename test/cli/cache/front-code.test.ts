// The front under xapi keeps its compiled code while the guest runs, and never at its end, which is the guest's downtime.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { SHIPPED_COMMAND } from '../../../lab/places.js';
import { LIVE, SMALL, Stage } from '../../hypervisor/support/stage.js';
import { temporaryDirectory } from '../../link/support.js';

const stage = new Stage();

describe('the compiled code of a front', () => {
  it('is kept before suspend, and not again at the end', { timeout: 60_000 }, async () => {
    const cache = temporaryDirectory();
    const code = path.join(cache, 'ramferry/code');
    // The stand-in for emu-manager starts ramferry, too, and that program keeps its own code.
    const keptFiles = (): string[] =>
      (fs.existsSync(code) ? fs.readdirSync(code) : []).filter((name) => name.startsWith('early-front-'));
    const stream = stage.stream('socket', true);
    const arrivals = stream.collect();
    const xenopsd = stage.start({
      mode: 'hvm_save',
      fd: stream.fd,
      args: LIVE,
      scenario: { memory: stage.workshop.file(SMALL) },
      command: SHIPPED_COMMAND,
      env: { XDG_CACHE_HOME: cache },
    });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await xenopsd.expect('suspend:');
    while (!keptFiles().some((name) => /-v[\d.]+-\w+$/.test(name))) await sleep(20);
    for (const name of keptFiles()) fs.rmSync(path.join(code, name));
    await xenopsd.say('done');
    await xenopsd.expect('result:0 0');
    assert.equal(await xenopsd.status(), 0);
    assert.deepEqual(keptFiles(), []);
    stream.close();
    await arrivals.close();
  });
});
