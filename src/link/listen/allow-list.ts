// Hosts that may connect: single addresses and ranges of IPv4 and IPv6. An address of IPv4 in the form of IPv6 (::ffff:10.0.0.1)
// counts as the address of IPv4 that it is, in the list and at the connection.

import net from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** Bits of an address of IPv6 before that of IPv4 in it. */
const MAPPED_BITS = 96;

interface Range {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  /** Bits that the range's addresses have in common. */
  readonly prefix: number;
}

export class AllowList {
  readonly #list = new net.BlockList();

  /** @param ranges `ADDRESS` or `ADDRESS/PREFIX`; each must be valid ({@link isRange}) */
  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const range = parseRange(text);
      if (range === undefined) throw new RangeError(`'${text}' is no range`);
      this.#list.addSubnet(range.address, range.prefix, range.family);
    }
  }

  /** @param host the address of the other end, as the system gives it */
  has(host: string): boolean {
    const { address, family } = plain(host.split('%', 1)[0]!);
    return this.#list.check(address, family);
  }
}

export function isRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

function parseRange(text: string): Range | undefined {
  const [host = '', digits, ...rest] = text.split('/');
  if (net.isIP(host) === 0 || host.includes('%') || rest.length > 0) return undefined;
  const bits = net.isIPv4(host) ? 32 : 128;
  const prefix = digits === undefined ? bits : /^\d{1,3}$/.test(digits) ? Number(digits) : -1;
  if (prefix < 0 || prefix > bits) return undefined;
  const { address, family } = plain(host);
  if (family === 'ipv6' || bits === 32) return { address, family, prefix };
  // A range that is wider than all mapped addresses has others in it as well.
  return prefix < MAPPED_BITS
    ? { address: host, family: 'ipv6', prefix }
    : { address, family, prefix: prefix - MAPPED_BITS };
}

function plain(host: string): Pick<Range, 'address' | 'family'> {
  const mapped = MAPPED.exec(host)?.[1];
  if (mapped !== undefined) return { address: mapped, family: 'ipv4' };
  return { address: host, family: net.isIPv4(host) ? 'ipv4' : 'ipv6' };
}
