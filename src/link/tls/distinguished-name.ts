// Distinguished names of certificates as RFC 4514 strings, and the patterns that allow them. A pattern is compared with the
// whole name; `*` stands for any characters and `?` for one, as in libvirt's tls_allowed_dn_list. A server of many guests may bind
// guests to names: `{web-*}CN=host1,*`.

import type { X509Certificate } from 'node:crypto';

/** The subject of a certificate: `CN=host1,O=Example,C=DE`, the most specific name first. */
export function subjectOf(certificate: X509Certificate): string {
  // Node prints one name a line in the order of the encoding, which is the reverse, and escapes values as RFC 4514 does.
  return certificate.subject.split('\n').reverse().join(',');
}

/** Whether one of the patterns matches the whole name. */
export function isAllowed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => expression(pattern).test(name));
}

/** A pattern of names, and the guests that it is about. */
const BOUND = /^\{([^{}]+)\}([^]+)$/;

/** Whether the pattern begins with guests in braces, as only a server of many guests understands it. */
export function isBound(pattern: string): boolean {
  return pattern.startsWith('{');
}

/** Whether the pattern can be understood by a server of many guests. */
export function isPattern(pattern: string): boolean {
  return !isBound(pattern) || BOUND.test(pattern);
}

/** The patterns of names without the guests that they are about: a name that none allows may bring no guest at all. */
export function patternsOfAll(patterns: readonly string[]): string[] {
  return patterns.map((pattern) => BOUND.exec(pattern)?.[2] ?? pattern);
}

/** The patterns of names that hold for this guest. Empty although `patterns` is not: no name may bring it. */
export function patternsFor(guest: string, patterns: readonly string[]): string[] {
  const holding = patterns.filter((pattern) => {
    const guests = BOUND.exec(pattern)?.[1];
    return guests === undefined || expression(guests).test(guest);
  });
  return patternsOfAll(holding);
}

function expression(pattern: string): RegExp {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|]/g, (character) => {
    if (character === '*') return '[^]*';
    return character === '?' ? '[^]' : `\\${character}`;
  });
  return new RegExp(`^${source}$`, 'u');
}
