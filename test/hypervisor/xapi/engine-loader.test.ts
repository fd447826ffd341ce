// When the engine of a front loads: while a processor is idle, or when it is needed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineLoader } from '../../../src/hypervisor/xapi/engine-loader.js';
import type { Engine } from '../../../src/hypervisor/xapi/emu-engine.js';

const ENGINE = JSON.parse('{}') as Engine;

/** A loader with the number of loads. */
function loader(isIdle: () => boolean): { loader: EngineLoader; loads: () => number } {
  let loads = 0;
  const load = (): Promise<Engine> => {
    loads += 1;
    return Promise.resolve(ENGINE);
  };
  return { loader: new EngineLoader(load, isIdle), loads: () => loads };
}

describe('EngineLoader', () => {
  it('loads once, when a processor is idle', async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    let idle = false;
    const all = loader(() => idle);
    context.mock.timers.tick(100);
    await Promise.resolve();
    assert.equal(all.loads(), 0);
    idle = true;
    context.mock.timers.tick(100);
    assert.equal(await all.loader.loaded, ENGINE);
    all.loader.begin();
    await Promise.resolve();
    assert.equal(all.loads(), 1);
  });

  it('loads at begin(), although no processor is idle', async () => {
    const all = loader(() => false);
    all.loader.begin();
    assert.equal(await all.loader.loaded, ENGINE);
  });

  it('loads no more after stop()', async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    const all = loader(() => true);
    all.loader.stop();
    context.mock.timers.tick(100);
    await Promise.resolve();
    assert.equal(all.loads(), 0);
  });

  it('rejects with the error of the load', async () => {
    const failing = new EngineLoader(
      () => Promise.reject(new Error('no codec')),
      () => false,
    );
    failing.begin();
    await assert.rejects(failing.loaded, /no codec/);
  });
});
