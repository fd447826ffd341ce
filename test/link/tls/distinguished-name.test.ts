// Names of certificates in RFC 4514 form, and patterns.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';

import {
  isAllowed,
  isPattern,
  patternsFor,
  patternsOfAll,
  subjectOf,
} from '../../../src/link/tls/distinguished-name.js';
import { makeCertificates } from './certificates.js';

const made = makeCertificates();

describe('a distinguished name', () => {
  it('is written with the most specific part first', { skip: made === undefined }, () => {
    const text = fs.readFileSync(path.join(made!.directory('good'), 'client-cert.pem'));
    assert.equal(subjectOf(new X509Certificate(text)), 'CN=source.example,O=ramferry tests');
  });

  const cases: readonly (readonly [string, string, boolean])[] = [
    ['CN=a,O=b', 'CN=a,O=b', true],
    ['CN=a,O=b', 'CN=a', false],
    ['CN=a,O=b', 'CN=a,*', true],
    ['CN=a,O=b', 'cn=a,O=b', false],
    ['CN=a1', 'CN=a?', true],
    ['CN=a', 'CN=a?', false],
    ['CN=a.b', 'CN=a.b', true],
    ['CN=axb', 'CN=a.b', false],
    ['CN=(a)[b]', 'CN=(a)[b]', true],
    ['CN=a\\,b', 'CN=a\\,b', true],
    ['CN=ä\nb', 'CN=?*b', true],
  ];
  for (const [name, pattern, expected] of cases) {
    it(`${JSON.stringify(name)} is ${expected ? '' : 'not '}allowed by ${JSON.stringify(pattern)}`, () => {
      assert.equal(isAllowed(name, ['other', pattern]), expected);
    });
  }
});

describe('patterns that are bound to guests', () => {
  const patterns = ['{web-*}CN=a,*', 'CN=b', '{db?}CN={c}'];

  it('hold for guests of these names, and those without for all', () => {
    assert.deepEqual(patternsFor('web-1', patterns), ['CN=a,*', 'CN=b']);
    assert.deepEqual(patternsFor('db1', patterns), ['CN=b', 'CN={c}']);
    assert.deepEqual(patternsFor('my-web-1', patterns), ['CN=b']);
    assert.deepEqual(patternsFor('other', patterns.slice(0, 1)), []);
  });

  it('are names alone before a guest is known', () => {
    assert.deepEqual(patternsOfAll(patterns), ['CN=a,*', 'CN=b', 'CN={c}']);
  });

  it('have guests and a name', () => {
    assert.deepEqual(['{a}b', 'b', '{}b', '{a}', '{a', '{'].map(isPattern), [
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
