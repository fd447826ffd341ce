// TLS of a transfer's link: from the options to the settings of the link layer. Refuses options that would be without effect, because
// a user who asks for protection must not go without.

import fs from 'node:fs';

import { RamferryError } from '../../errors.js';
import type { Address } from '../../link/address.js';
import { isBound } from '../../link/tls/distinguished-name.js';
import type { TlsSettings } from '../../link/tls/settings.js';
import type { TlsOptions } from '../../options/rows/tls.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';

/** Where the files of a host lie, for `--tls` without a directory. The second is QEMU's. */
const DEFAULT_DIRECTORIES = ['/etc/pki/ramferry', '/etc/pki/qemu'] as const;

const LISTENERS: ReadonlySet<Address['kind']> = new Set<Address['kind']>(['tcp-listen', 'unix-listen']);
const CALLERS: ReadonlySet<Address['kind']> = new Set<Address['kind']>(['tcp', 'unix']);

export type TlsValues = Pick<ResolvedSendOptions | ResolvedReceiveOptions, keyof TlsOptions>;

/**
 * The TLS settings of the link at `address`; undefined = bytes travel in the clear.
 * @throws ERR_OPTION_INVALID when the address or another option does not fit, ERR_TLS_CREDENTIALS without a default directory
 */
export function tlsSettings(values: TlsValues, address: Address): TlsSettings | undefined {
  const { tls, tlsCreds, tlsVerifyPeer, tlsHostname } = values;
  if (!tls && tlsCreds === undefined) {
    refuseWithoutTls(values);
    return undefined;
  }
  if (!LISTENERS.has(address.kind) && !CALLERS.has(address.kind)) {
    throw invalid('tlsCreds', `a link of kind ${address.kind} has no TLS`, 'use an address of tcp or unix');
  }
  if (!tlsVerifyPeer && CALLERS.has(address.kind)) {
    throw invalid(
      'tlsVerifyPeer',
      'a client always verifies the listener',
      'say it at the side that listens',
    );
  }
  if (tlsHostname !== undefined && LISTENERS.has(address.kind)) {
    throw invalid(
      'tlsHostname',
      'a listener looks for no name',
      'say it at the side that connects, or use --tls-authz',
    );
  }
  const bound = values.tlsAuthz.find(isBound);
  if (bound !== undefined) {
    throw invalid(
      'tlsAuthz',
      `'${bound}' names guests`,
      'say it to ramferry serve, which tells guests apart',
    );
  }
  return {
    directory: tlsCreds ?? defaultDirectory(),
    passphraseFile: values.tlsKeyPassphraseFile,
    pskIdentity: values.tlsPskIdentity,
    verifyPeer: tlsVerifyPeer,
    hostname: tlsHostname,
    authz: values.tlsAuthz,
  };
}

function refuseWithoutTls(values: TlsValues): void {
  const { tlsKeyPassphraseFile, tlsPskIdentity, tlsVerifyPeer, tlsHostname, tlsAuthz } = values;
  const named = Object.entries({ tlsKeyPassphraseFile, tlsPskIdentity, tlsHostname }).find(
    ([, value]) => value !== undefined,
  )?.[0];
  const useless = named ?? (tlsAuthz.length > 0 ? 'tlsAuthz' : tlsVerifyPeer ? undefined : 'tlsVerifyPeer');
  if (useless !== undefined) {
    throw invalid(useless, 'this link has no TLS', 'say --tls-creds DIRECTORY, too');
  }
}

function defaultDirectory(): string {
  const found = DEFAULT_DIRECTORIES.find((directory) => fs.existsSync(directory));
  if (found !== undefined) return found;
  throw new RamferryError('ERR_TLS_CREDENTIALS', `there is neither ${DEFAULT_DIRECTORIES.join(' nor ')}`, {
    hint: 'make one of them, or name another directory with --tls-creds',
  });
}

function invalid(option: string, why: string, hint: string): RamferryError {
  return new RamferryError('ERR_OPTION_INVALID', `${option}: ${why}`, { hint });
}
