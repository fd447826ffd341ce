// Ranges of addresses, and what counts as being in one.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { AllowList, isRange } from '../../../src/link/listen/allow-list.js';

describe('a list of allowed hosts', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['10.1.0.0/16', '10.1.255.255', true],
    ['10.1.0.0/16', '10.2.0.0', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['10.1.2.3/24', '10.1.2.200', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:DB8::1', '2001:db8:0:0::1', true],
    ['::/0', '2001:db8::1', true],
    // IPv4 at a listener of IPv6.
    ['10.1.0.0/16', '::ffff:10.1.2.3', true],
    ['10.1.0.0/16', '::ffff:10.2.2.3', false],
    ['::ffff:10.1.0.0/112', '10.1.2.3', true],
    ['::ffff:10.1.0.0/112', '::ffff:10.1.2.3', true],
    ['::ffff:10.1.0.0/112', '10.2.2.3', false],
    // Link-local addresses have a zone.
    ['fe80::/10', 'fe80::1%eth0', true],
  ];
  for (const [range, host, expected] of cases) {
    it(`${range} has ${expected ? '' : 'not '}${host}`, () => {
      assert.equal(new AllowList(['192.0.2.0/24', range]).has(host), expected);
    });
  }

  it('has no host of no address', () => assert.equal(new AllowList(['0.0.0.0/0', '::/0']).has(''), false));

  it('refuses texts that are no range', () => {
    for (const text of [
      '',
      'host',
      '10.1',
      '10.1.2.3/',
      '10.1.2.3/33',
      '10.1.2.3/-1',
      '::/129',
      '10.0.0.0/8/8',
      'fe80::1%eth0',
      '[::1]',
    ])
      assert.equal(isRange(text), false, text);
  });
});
