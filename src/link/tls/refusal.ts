// Why one side of a handshake refused the other. A certificate is judged after the handshake, so the side that refuses says why
// inside TLS. Where OpenSSL refuses by itself, TLS 1.3 leaves an alert only: then the other side's log has the reason.

import { RamferryError } from '../../errors.js';
import { systemCode, systemText } from '../../io/system-error.js';

/** What a side says inside TLS of the certificate that it refuses. The names are part of the protocol (docs/FORMAT.md). */
export const REFUSALS = {
  'no-certificate': 'no certificate was shown',
  'untrusted-certificate': 'the certificate is not signed by an authority of ca-cert.pem',
  'expired-certificate': 'the certificate has expired or is not valid yet',
  'revoked-certificate': 'the certificate has been revoked',
  'wrong-name': 'the certificate does not bear the name of this host (--tls-hostname names another)',
  'no-shared-key': 'it has a certificate, and the refusing side has pre-shared keys',
  'not-allowed': 'the name is not among those that --tls-authz allows',
} as const;
export type Refusal = keyof typeof REFUSALS;

/** Node's names of OpenSSL's results of verification. */
const OF_VERIFICATION: Readonly<Record<string, Refusal>> = {
  CERT_HAS_EXPIRED: 'expired-certificate',
  CERT_NOT_YET_VALID: 'expired-certificate',
  CRL_HAS_EXPIRED: 'expired-certificate',
  CERT_REVOKED: 'revoked-certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-name',
};

/** @param code what Node says of a certificate that it does not accept */
export function refusalOf(code: string): Refusal {
  return OF_VERIFICATION[code] ?? 'untrusted-certificate';
}

/** This side refuses the other. */
export function refused(label: string, refusal: Refusal, detail: string): RamferryError {
  return new RamferryError(
    'ERR_LINK_TLS',
    `refused the other side of ${label}: ${REFUSALS[refusal]}${detail}`,
    {
      hint: HINTS[refusal],
    },
  );
}

/** The other side has refused this one, and has said why. */
export function refusedByPeer(label: string, said: string): RamferryError {
  const why =
    said in REFUSALS ? REFUSALS[said as Refusal] : 'it gave a reason that this version does not know';
  return new RamferryError('ERR_LINK_TLS', `${label} refused this side: ${why}`, {
    hint: "see the other side's log for the name of the certificate that it saw",
  });
}

const HINTS: Readonly<Record<Refusal, string>> = {
  'no-certificate': 'the other side needs client-cert.pem and client-key.pem in its --tls-creds directory',
  'untrusted-certificate': 'both sides need the same authority in ca-cert.pem',
  'expired-certificate':
    'issue a new certificate or list of revoked ones, and check the clocks of both hosts',
  'revoked-certificate': 'ca-crl.pem lists it',
  'wrong-name': 'connect to a name that the certificate bears, or name it with --tls-hostname',
  'no-shared-key': 'both sides need the same keys.psk, or both certificates',
  'not-allowed': 'allow it with --tls-authz',
};

/** Classes of OpenSSL's and the system's failures, by code. The first that matches counts. */
const FAILURES: readonly (readonly [RegExp, string])[] = [
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST|HTTPS_PROXY|INVALID_RECORD|UNEXPECTED_MESSAGE|RECORD_LAYER|^EPROTO$/,
    'the other side does not speak TLS',
  ],
  [/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/, 'the other side does not speak TLS 1.3'],
  [/BINDER_DOES_NOT_VERIFY/, 'the pre-shared key of the other side is not that of its identity'],
  [/PSK_IDENTITY/, 'the identity of the pre-shared key is unknown'],
  [
    /NO_SHARED_CIPHER|NO_SUITABLE|BAD_PSK|NO_CERTIFICATE_SET/,
    'one side has certificates and the other pre-shared keys',
  ],
  [/ALERT/, 'the other side refused the handshake and gave no reason'],
  [/^ECONNRESET$|^EPIPE$/, 'the other side closed the connection during the TLS handshake'],
];

/** A handshake that failed before either certificate was judged. */
export function handshakeFailed(label: string, thrown: unknown): RamferryError {
  const code = systemCode(thrown) ?? '';
  const why = FAILURES.find(([pattern]) => pattern.test(code))?.[1] ?? systemText(thrown);
  return new RamferryError('ERR_LINK_TLS', `no TLS with ${label}: ${why}`, {
    hint: "give both sides --tls-creds with files that belong together; the other side's log may say more",
    cause: thrown,
  });
}
