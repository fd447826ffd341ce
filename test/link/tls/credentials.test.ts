// Reading a directory of certificates or keys: every fault names its file. Files of openssl, certtool and psktool.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';

import { loadCredentials, type TlsCredentials } from '../../../src/link/tls/credentials.js';
import { parseKeys } from '../../../src/link/tls/pre-shared-keys.js';
import type { TlsRole, TlsSettings } from '../../../src/link/tls/settings.js';
import { temporaryDirectory, throwsWith } from '../support.js';
import { makeCertificates } from './certificates.js';

const made = makeCertificates();
const skip = made === undefined && 'openssl is not installed';
const KEY = '00112233445566778899aabbccddeeff';

/** A copy of a folder, which the test may change. */
function copyOf(folder: string): string {
  const copy = path.join(temporaryDirectory(), folder);
  fs.cpSync(made!.directory(folder), copy, { recursive: true });
  return copy;
}

function load(directory: string, role: TlsRole = 'server', more: Partial<TlsSettings> = {}): TlsCredentials {
  return loadCredentials({ directory, verifyPeer: true, authz: [], ...more }, role);
}

function has(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

describe('credentials of a directory', { skip }, () => {
  const faults: readonly (readonly [string, string, (directory: string) => void, RegExp])[] = [
    ['no authority', 'good', (at) => fs.rmSync(path.join(at, 'ca-cert.pem')), /cannot read .*ca-cert\.pem/],
    ['no certificate', 'good', (at) => fs.rmSync(path.join(at, 'server-cert.pem')), /server-cert\.pem/],
    ['no key', 'good', (at) => fs.rmSync(path.join(at, 'server-key.pem')), /server-key\.pem/],
    [
      'damaged',
      'good',
      (at) => fs.writeFileSync(path.join(at, 'server-cert.pem'), 'x'),
      /holds no certificate/,
    ],
    [
      'no key in it',
      'good',
      (at) => fs.writeFileSync(path.join(at, 'server-key.pem'), 'x'),
      /holds no private key/,
    ],
    [
      'the key of another',
      'good',
      (at) => fs.copyFileSync(path.join(at, 'client-key.pem'), path.join(at, 'server-key.pem')),
      /server-key\.pem is not the key of .*server-cert\.pem/,
    ],
    ['expired', 'expired', () => undefined, /has expired: it was valid until Jan {1,2}2 /],
    ['encrypted', 'encrypted', () => undefined, /server-key\.pem is encrypted/],
    [
      'no list in it',
      'good',
      (at) => fs.writeFileSync(path.join(at, 'ca-crl.pem'), 'x'),
      /cannot be used together/,
    ],
  ];
  for (const [what, folder, change, text] of faults) {
    it(`are refused: ${what}`, () => {
      const directory = copyOf(folder);
      change(directory);
      throwsWith(() => load(directory), 'ERR_TLS_CREDENTIALS', text);
    });
  }

  it('are refused with a wrong passphrase', () => {
    const directory = copyOf('encrypted');
    const passphraseFile = path.join(directory, 'passphrase');
    fs.writeFileSync(passphraseFile, 'wrong\n');
    throwsWith(
      () => load(directory, 'server', { passphraseFile }),
      'ERR_TLS_CREDENTIALS',
      /does not decrypt/,
    );
  });

  it('are refused to a client whose certificate has no key', () => {
    const directory = copyOf('good');
    fs.rmSync(path.join(directory, 'client-key.pem'));
    throwsWith(() => load(directory, 'client'), 'ERR_TLS_CREDENTIALS', /client-key\.pem/);
  });

  it('warn of a key that others can read', () => {
    const directory = copyOf('good');
    const said: string[] = [];
    const settings: TlsSettings = { directory, verifyPeer: true, authz: [] };
    loadCredentials(settings, 'server', (text) => said.push(text));
    assert.equal(said.length, 0);
    fs.chmodSync(path.join(directory, 'server-key.pem'), 0o640);
    loadCredentials(settings, 'server', (text) => said.push(text));
    assert.match(said.join(), /server-key\.pem can be read by other users/);
  });

  it('are the keys where an identity is named and both are there', () => {
    const directory = copyOf('good');
    fs.writeFileSync(path.join(directory, 'keys.psk'), `web1:${KEY}\n`, { mode: 0o600 });
    assert.equal(load(directory).keys, undefined);
    assert.ok(load(directory, 'client', { pskIdentity: 'web1' }).keys?.has('web1'));
    throwsWith(
      () => load(directory, 'client', { pskIdentity: 'web2' }),
      'ERR_TLS_CREDENTIALS',
      /no key for 'web2'/,
    );
  });
});

describe('pre-shared keys', () => {
  it('are read with blank lines, colons and hexadecimal identities', () => {
    const keys = parseKeys(`qemu:${KEY}\n\na:b:${KEY.toUpperCase()}\r\n#776562:${KEY}\n`, 'keys.psk');
    assert.deepEqual([...keys.keys()], ['qemu', 'a:b', 'web']);
    assert.equal(keys.get('a:b')!.toString('hex'), KEY);
  });

  for (const line of ['qemu', 'qemu:', `:${KEY}`, 'qemu:xyz', `qemu:${KEY}0`, 'qemu:0011', `#7:${KEY}`]) {
    it(`are refused without quoting the line: ${JSON.stringify(line)}`, () => {
      throwsWith(
        () => parseKeys(`ok:${KEY}\n${line}\n`, 'keys.psk'),
        'ERR_TLS_CREDENTIALS',
        /^line 2 of keys\.psk/,
      );
    });
  }

  it('are refused when there is none', () => {
    throwsWith(() => parseKeys('\n', 'keys.psk'), 'ERR_TLS_CREDENTIALS', /has no key/);
  });

  it("are read from psktool's file", { skip: !has('psktool') && 'psktool is not installed' }, () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, 'keys.psk');
    assert.equal(spawnSync('psktool', ['-u', 'qemu', '-p', file]).status, 0);
    assert.ok(load(directory, 'client').keys!.get('qemu')!.length >= 16);
  });
});

describe("certtool's files", { skip: !has('certtool') && 'certtool is not installed' }, () => {
  it('are read', () => {
    const directory = temporaryDirectory();
    const at = (name: string): string => path.join(directory, name);
    const certtool = (...args: string[]): void =>
      assert.equal(spawnSync('certtool', args, { cwd: directory }).status, 0, args.join(' '));
    fs.writeFileSync(at('ca.info'), 'cn = tests\nca\ncert_signing_key\n');
    fs.writeFileSync(
      at('server.info'),
      'cn = localhost\ndns_name = localhost\ntls_www_server\nsigning_key\n',
    );
    for (const name of ['ca', 'server'])
      certtool('--generate-privkey', '--ecc', '--outfile', `${name}-key.pem`);
    certtool(
      ...['--generate-self-signed', '--load-privkey', 'ca-key.pem'],
      ...['--template', 'ca.info', '--outfile', 'ca-cert.pem'],
    );
    certtool(
      ...['--generate-certificate', '--load-privkey', 'server-key.pem', '--template', 'server.info'],
      ...[
        '--load-ca-certificate',
        'ca-cert.pem',
        '--load-ca-privkey',
        'ca-key.pem',
        '--outfile',
        'server-cert.pem',
      ],
    );
    assert.equal(load(directory).keys, undefined);
  });
});
