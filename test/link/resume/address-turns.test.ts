// Which address of a host each connection of a transfer tries first, and that a connection finds its listener through this lookup.

import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';

import { inTurn, lookupInTurn } from '../../../src/link/resume/address-turns.js';

const four = (address: string): LookupAddress => ({ address, family: 4 });
const six = (address: string): LookupAddress => ({ address, family: 6 });
const order = (addresses: readonly LookupAddress[], number: number): string[] =>
  inTurn(addresses, number).map(({ address }) => address);

describe('inTurn', () => {
  it('begins with another address for each connection, and keeps the rest', () => {
    const addresses = [four('10.1.0.2'), four('10.2.0.2')];
    assert.deepEqual(order(addresses, 0), ['10.1.0.2', '10.2.0.2']);
    assert.deepEqual(order(addresses, 1), ['10.2.0.2', '10.1.0.2']);
    assert.deepEqual(order(addresses, 2), ['10.1.0.2', '10.2.0.2']);
  });

  it('keeps the family that the system prefers first', () => {
    const addresses = [six('fd00::1'), four('10.1.0.2'), six('fd00::2')];
    assert.deepEqual(order(addresses, 1), ['fd00::2', 'fd00::1', '10.1.0.2']);
    assert.deepEqual(order([six('fd00::1'), four('10.1.0.2')], 1), ['fd00::1', '10.1.0.2']);
    assert.deepEqual(order([], 3), []);
  });
});

describe('lookupInTurn', () => {
  for (const autoSelectFamily of [true, false]) {
    it(`finds a listener, ${autoSelectFamily ? 'among all addresses' : 'as one address'}`, async () => {
      const server = net.createServer((socket) => socket.end()).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      const lookup = lookupInTurn(1);
      const socket = net.connect({ host: 'localhost', port, family: 4, lookup, autoSelectFamily });
      await once(socket.resume(), 'close');
      assert.ok(!socket.errored);
      server.close();
    });
  }

  it('reports a name that has no address', async () => {
    const socket = net.connect({ host: 'nowhere.invalid', port: 9, lookup: lookupInTurn(1) });
    const [failure] = (await once(socket, 'error').catch((thrown: unknown) => [thrown])) as [Error];
    assert.match(failure.message, /nowhere\.invalid/);
  });
});
