// Which command lines of emu-manager start the real one before the parser loads.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEarlyFront } from '../../src/cli/early-front.js';

const words = (text: string): string[] => text.split(' ');

describe('readEarlyFront', () => {
  it('reads paths and switches', () => {
    const line = words(
      'emu-manager --no-syslog --log-file=/l --no-self-check --exec /real -- -fd 5 -- --exec x',
    );
    assert.deepEqual(readEarlyFront(line, { PATH: '/bin', RAMFERRY_TEST_X: '1' }), {
      exec: '/real',
      args: ['-fd', '5', '--', '--exec', 'x'],
      logFile: '/l',
      syslog: false,
      metrics: undefined,
      options: { selfCheck: false },
      early: true,
    });
  });

  it('reads the places of metrics', () => {
    const line = words('emu-manager --metrics /m.prom --metrics-listen=9639 --exec /real -- -fd 5');
    assert.deepEqual(readEarlyFront(line, {})?.metrics, { file: '/m.prom', listen: '9639' });
  });

  for (const [what, line] of [
    ['another command', 'send --exec /real -- -fd 5'],
    ['no --', 'emu-manager --exec /real'],
    ['no path of the real one', 'emu-manager --no-syslog -- -fd 5'],
    ['an option with a value to check', 'emu-manager --compress-level 3 --exec /real -- -fd 5'],
    ['a value in the place of a switch', 'emu-manager --compress-vgpu=maybe --exec /real -- -fd 5'],
    ['an unknown option', 'emu-manager --exce /real -- -fd 5'],
    ['the name of an object’s property', 'emu-manager --constructor --exec /real -- -fd 5'],
    ['an option in the place of a path', 'emu-manager --exec --no-syslog -- -fd 5'],
    ['an option given twice', 'emu-manager --exec /real --exec /other -- -fd 5'],
    ['opposite switches', 'emu-manager --self-check --no-self-check --exec /real -- -fd 5'],
    ['a question', 'emu-manager --check --exec /real -- -fd 5'],
    ['a further word', 'emu-manager --exec /real word -- -fd 5'],
  ] as const) {
    it(`leaves to the parser: ${what}`, () => assert.equal(readEarlyFront(words(line), {}), undefined));
  }

  it('leaves to the parser: an option in the environment', () => {
    const line = words('emu-manager --exec /real -- -fd 5');
    assert.equal(readEarlyFront(line, { RAMFERRY_CODEC: 'lz4' }), undefined);
    assert.notEqual(readEarlyFront(line, {}), undefined);
  });
});
