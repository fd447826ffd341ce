// Addresses: how they are parsed, which are refused, and which parts messages may show.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { commandWord, formatAddress, parseAddress, type Address } from '../../src/link/address.js';
import { RamferryError } from '../../src/errors.js';
import { throwsWith } from './support.js';

describe('addresses', () => {
  const good: [string, Address][] = [
    ['tcp:host.example:4444', { kind: 'tcp', host: 'host.example', port: 4444 }],
    ['tcp:[::1]:65535', { kind: 'tcp', host: '::1', port: 65535 }],
    ['tcp:[fe80::1%eth0]:1', { kind: 'tcp', host: 'fe80::1%eth0', port: 1 }],
    ['tcp-listen:0', { kind: 'tcp-listen', host: '127.0.0.1', port: 0 }],
    ['tcp-listen:0.0.0.0:4444', { kind: 'tcp-listen', host: '0.0.0.0', port: 4444 }],
    ['tcp-listen:[::]:4444', { kind: 'tcp-listen', host: '::', port: 4444 }],
    ['unix:/run/a:b', { kind: 'unix', path: '/run/a:b' }],
    ['unix-listen:rel', { kind: 'unix-listen', path: 'rel' }],
    ['fd:0', { kind: 'fd', fd: 0 }],
    ['file:tcp:1', { kind: 'file', path: 'tcp:1' }],
    ['/dir/x:y', { kind: 'file', path: '/dir/x:y' }],
    ['./x:y', { kind: 'file', path: './x:y' }],
    ['image.ram', { kind: 'file', path: 'image.ram' }],
    ['exec:ssh host cat', { kind: 'exec', command: 'ssh host cat' }],
    ['-', { kind: 'stdio' }],
  ];
  for (const [text, address] of good) {
    it(`parses ${text}`, () => assert.deepEqual(parseAddress(text), address));
  }

  const bad = [
    '',
    'tcp:',
    'tcp:host',
    'tcp:host:',
    'tcp:host:0',
    'tcp:host:65536',
    'tcp:host:-1',
    'tcp:host:1e3',
    'tcp::4444',
    'tcp:::1:4444',
    'tcp:[::1:4444',
    'tcp:[localhost]:4444',
    'tcp:a b:4444',
    'tcp-listen:',
    'tcp-listen:x',
    'tcp-listen::4444',
    'unix:',
    `unix:/${'x'.repeat(107)}`,
    'unix:a\0b',
    'fd:',
    'fd:x',
    'fd:-1',
    'file:',
    'exec:',
    'exec:  ',
    'tpc:host:4444',
    'TCP:host:4444',
  ];
  for (const text of bad) {
    it(`refuses '${text.slice(0, 20)}' with a hint`, () => {
      throwsWith(() => parseAddress(text), 'ERR_LINK_ADDRESS');
      try {
        parseAddress(text);
      } catch (thrown) {
        assert.ok(thrown instanceof RamferryError && thrown.hint !== undefined);
      }
    });
  }

  const bare: [string, string][] = [
    ['127.0.0.1:4444', 'tcp:127.0.0.1:4444'],
    ['localhost:4444', 'tcp:localhost:4444'],
    ['my_host:1', 'tcp:my_host:1'],
    ['3com.example:65535', 'tcp:3com.example:65535'],
    [':4444', 'tcp:HOST:4444'],
    ['[::1]:4444', 'tcp:[::1]:4444'],
    ['fe80::1%eth0:4444', 'tcp:[fe80::1%eth0]:4444'],
    ['2001:db8::2', 'tcp:[2001:db8::2]:PORT'],
    ['::1', 'tcp:[::1]:PORT'],
    ['[::1]', 'tcp:[::1]:PORT'],
    ['10.0.0.1', 'tcp:10.0.0.1:PORT'],
  ];
  for (const [text, meant] of bare) {
    it(`refuses '${text}' and suggests tcp: and file:`, () => {
      assert.throws(
        () => parseAddress(text),
        (thrown) => {
          assert.ok(thrown instanceof RamferryError && thrown.code === 'ERR_LINK_ADDRESS');
          const hint = thrown.hint ?? '';
          assert.ok(hint.includes(`${meant} `), hint);
          assert.ok(hint.includes(`file:./${text} `), hint);
          return true;
        },
      );
      assert.deepEqual(parseAddress(`file:./${text}`), { kind: 'file', path: `./${text}` });
      assert.deepEqual(parseAddress(`./${text}`), { kind: 'file', path: `./${text}` });
    });
  }

  it('accepts file names that resemble a host', () => {
    for (const path of ['guest-2026-01-01T10:30.ram', '4444', 'a.b', 'guest.ram.1', '12:30:ram'])
      assert.equal(parseAddress(path.includes(':') ? `file:${path}` : path).kind, 'file');
    assert.deepEqual(parseAddress('10:30.ram'), { kind: 'file', path: '10:30.ram' });
  });

  it('accepts the longest path of a unix socket', () => {
    const path = `/${'x'.repeat(106)}`;
    assert.deepEqual(parseAddress(`unix:${path}`), { kind: 'unix', path });
  });

  it('parses its own format', () => {
    for (const [, address] of good) {
      if (address.kind === 'exec' || (address.kind === 'file' && address.path.startsWith('tcp:'))) continue;
      assert.deepEqual(parseAddress(formatAddress(address)), address);
    }
  });

  it('fails only with ERR_LINK_ADDRESS, random text', () => {
    const kinds = fc.constantFrom('tcp:', 'tcp-listen:', 'unix:', 'fd:', 'file:', 'exec:', '[', ']', ':', '');
    fc.assert(
      fc.property(fc.array(fc.oneof(kinds, fc.string(), fc.nat().map(String)), { maxLength: 6 }), (parts) => {
        try {
          parseAddress(parts.join(''));
        } catch (thrown) {
          assert.ok(thrown instanceof RamferryError && thrown.code === 'ERR_LINK_ADDRESS');
        }
      }),
    );
  });

  it('shows only the program of a command, without arguments and variables', () => {
    assert.equal(commandWord('TOKEN=secret ssh -i key host'), 'ssh');
    assert.equal(commandWord(' (zstd -dc x)'), 'zstd');
    assert.equal(formatAddress({ kind: 'exec', command: 'curl -u me:secret' }), 'exec:curl');
  });
});
