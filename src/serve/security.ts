// TLS of a server: one set of files for both of its sides. It is the server towards senders of incoming guests, and the client of
// the receiver of outgoing ones. Without TLS a server stays on its host, unless its operator says otherwise.

import { isIP } from 'node:net';

import { RamferryError } from '../errors.js';
import { type Address, formatAddress } from '../link/address.js';
import { isLoopback, type Place } from '../link/listen/binding.js';
import { loadCredentials, needsHostname } from '../link/tls/credentials.js';
import { isAllowed, isPattern, patternsFor, patternsOfAll } from '../link/tls/distinguished-name.js';
import type { TlsSettings } from '../link/tls/settings.js';
import type { TlsOptions } from '../options/rows/tls.js';
import type { ValuesFor } from '../options/table.js';
import { tlsSettings } from '../transfer/plan/tls.js';

type Values = Pick<ValuesFor<'serve'>, keyof TlsOptions | 'insecure'>;

/** Where guests come from and go to. */
export interface Sides {
  readonly listen: Place | undefined;
  readonly connect: Extract<Address, { kind: 'tcp' | 'unix' }> | undefined;
}

/**
 * The settings of the side that listens; undefined = bytes travel in the clear.
 * @throws ERR_OPTION_INVALID, ERR_TLS_CREDENTIALS; both before anything is opened
 */
export function listenerTls(values: Values, sides: Sides): TlsSettings | undefined {
  checkPatterns(values);
  checkOptions(values, sides);
  const { listen, connect } = sides;
  if (connect !== undefined) checkCaller(values, connect);
  return listen === undefined ? undefined : tlsSettings(ofListener(values), listen);
}

/** Both sides share the options; what concerns one alone needs that side. */
function checkOptions(values: Values, { listen, connect }: Sides): void {
  if (values.tlsHostname !== undefined && connect === undefined) tlsSettings(unbound(values), listen!);
  if (!values.tlsVerifyPeer && listen === undefined) tlsSettings(unbound(values), connect!);
}

function checkPatterns({ tlsAuthz }: Values): void {
  const odd = tlsAuthz.find((pattern) => !isPattern(pattern));
  if (odd === undefined) return;
  throw new RamferryError('ERR_OPTION_INVALID', `tlsAuthz: '${odd}' is no pattern`, {
    hint: "write '{GUESTS}PATTERN': {web-*}CN=host1,*",
  });
}

function unbound(values: Values): Values {
  return { ...values, tlsAuthz: patternsOfAll(values.tlsAuthz) };
}

function ofListener(values: Values): Values {
  return { ...unbound(values), tlsHostname: undefined };
}

function checkCaller(values: Values, connect: NonNullable<Sides['connect']>): void {
  const settings = tlsSettings({ ...unbound(values), tlsVerifyPeer: true }, connect);
  const host = connect.kind === 'tcp' ? connect.host : undefined;
  if (settings === undefined) {
    if (host === undefined || isLoopbackName(host) || values.insecure) return;
    throw inTheClear('connect', connect);
  }
  if (needsHostname(loadCredentials(settings, 'client'), settings.hostname ?? host)) {
    throw new RamferryError('ERR_OPTION_INVALID', 'tlsHostname: a unix socket has no host', {
      hint: 'name the host of the certificate with --tls-hostname',
    });
  }
}

/** A name that is not known to stay on this host counts as another host. */
function isLoopbackName(host: string): boolean {
  if (isIP(host) === 0) return host.toLowerCase() === 'localhost';
  return isLoopback(host);
}

/** The error of an address that other hosts are reached by, or that they reach, without TLS. */
export function inTheClear(option: 'listen' | 'connect', address: Address): RamferryError {
  const where = option === 'listen' ? 'is reached by other hosts' : 'is another host';
  return new RamferryError(
    'ERR_OPTION_INVALID',
    `${option}: ${formatAddress(address)} ${where}, and guest memory would cross the network unencrypted`,
    {
      hint: 'give both sides --tls-creds, use 127.0.0.1 or [::1] behind a tunnel, or say --insecure on a network that you trust',
    },
  );
}

/**
 * The names that may receive this guest.
 * @throws ERR_LINK_TLS when none may
 */
export function receiversOf(guest: string, patterns: readonly string[]): string[] {
  const holding = patternsFor(guest, patterns);
  if (patterns.length > 0 && holding.length === 0) {
    throw new RamferryError('ERR_LINK_TLS', `no pattern of --tls-authz allows the guest ${guest} to leave`, {
      hint: 'add one: {GUESTS}PATTERN, or PATTERN for all guests',
    });
  }
  return holding;
}

/**
 * Checks that a sender may bring this guest.
 * @param provenName what the sender has proved to be; undefined = nothing
 * @throws ERR_LINK_TLS
 */
export function checkBringer(
  guest: string,
  provenName: string | undefined,
  patterns: readonly string[],
): void {
  const all = patternsOfAll(patterns);
  // Without guests in a pattern the handshake has judged the name already.
  if (patterns.every((pattern, index) => pattern === all[index])) return;
  if (provenName !== undefined && isAllowed(provenName, patternsFor(guest, patterns))) return;
  throw new RamferryError(
    'ERR_LINK_TLS',
    `${provenName === undefined ? 'a sender without a certificate' : `'${provenName}'`} may not bring the guest ${guest}`,
    { hint: "allow it with the receiver's --tls-authz: {GUESTS}PATTERN" },
  );
}
