import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { resolveQemuMigrateOptions } from '../../../../src/hypervisor/qemu/whole/options.js';

const MONITORS = { qmp: 'unix:/run/source.qmp', destinationQmp: 'tcp:127.0.0.1:4445' };
const LINK = { ...MONITORS, output: 'tcp:destination:4444' };

describe('resolveQemuMigrateOptions', () => {
  it('reads a time-out as written, without a unit in seconds, and a number in milliseconds', () => {
    const timeout = (value: string | number): number =>
      resolveQemuMigrateOptions({ ...LINK, timeout: value }).values.timeout;
    assert.deepEqual(['3600', 3600, '2min', '500ms'].map(timeout), [3_600_000, 3600, 120_000, 500]);
  });

  it('has QEMU connect beside a unix monitor, and to loopback otherwise', () => {
    const own = resolveQemuMigrateOptions(LINK).outgoing;
    assert.equal(own.uri, `unix:/run/source.qmp.out-${process.pid}`);
    const tcp = resolveQemuMigrateOptions({ ...LINK, qmp: 'tcp:127.0.0.1:4446' }).outgoing;
    assert.deepEqual(tcp, { listen: 'tcp-listen:127.0.0.1:0', uri: undefined });
  });

  it('passes on to send what was given, and nothing else', () => {
    const { send } = resolveQemuMigrateOptions({ ...LINK, compressLevel: 3, tlsCreds: '/pki', timeout: 5 });
    assert.deepEqual(send, { compressLevel: 3, tlsCreds: '/pki' });
  });

  for (const [what, options, message] of [
    ['the same monitor twice', { ...LINK, destinationQmp: LINK.qmp }, /destinationQmp: it is the monitor of/],
    ['an output that goes one way', { ...LINK, output: 'guest.rf' }, /output: .*neither a tcp nor a unix/],
    ['a remote destination without its socket', MONITORS, /incoming: it is required/],
    ['an unknown strategy', { ...LINK, timeoutStrategy: 'hope' as 'cancel' }, /timeoutStrategy/],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => resolveQemuMigrateOptions(options), { code: 'ERR_OPTION_INVALID', message });
    });
  }
});
