// Distinguished names of certificates as RFC 4514 strings, and the patterns that allow them. A pattern is compared with the
// whole name; `*` stands for any characters and `?` for one, as in libvirt's tls_allowed_dn_list.

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

function expression(pattern: string): RegExp {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|]/g, (character) => {
    if (character === '*') return '[^]*';
    return character === '?' ? '[^]' : `\\${character}`;
  });
  return new RegExp(`^${source}$`, 'u');
}
