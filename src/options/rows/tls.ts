// The options of TLS: which files of this side, and whom of the other side they let in.

import { directory, file, flag, onOff, text, texts } from '../kinds.js';
import type { Rows } from '../row.js';

/**
 * TLS 1.3 on the link between the two ramferrys (not towards the hypervisor). Who listens is the server. Both sides must say it: there
 * is no fallback. Files have QEMU's names: `ca-cert.pem`, `ca-crl.pem`, `server-cert.pem`, `server-key.pem`, `client-cert.pem`,
 * `client-key.pem`, or `keys.psk`.
 */
export interface TlsOptions {
  /** Use TLS with the files of /etc/pki/ramferry, or else of /etc/pki/qemu. Default false. */
  readonly tls?: boolean | undefined;
  /** Use TLS with the files of this directory. Damaged or missing files fail with ERR_TLS_CREDENTIALS. Default: none. */
  readonly tlsCreds?: string | undefined;
  /** File whose first line decrypts the private key. Default: the key is not encrypted. */
  readonly tlsKeyPassphraseFile?: string | undefined;
  /** Identity of the pre-shared key of `keys.psk` that a client uses. Default `qemu`. */
  readonly tlsPskIdentity?: string | undefined;
  /** Whether a listener demands a certificate of its client. A client always verifies the listener. Default true. */
  readonly tlsVerifyPeer?: boolean | undefined;
  /** Name that the listener's certificate must bear. Default: the host of the address; required where it has none. */
  readonly tlsHostname?: string | undefined;
  /**
   * Patterns (`*`, `?`) of distinguished names in RFC 4514 form, or of pre-shared identities, that the other side may have. Default:
   * any that `ca-cert.pem` vouches for. In `serve`, `{GUESTS}PATTERN` holds for guests of these names only: `{web-*}CN=host1,*`.
   */
  readonly tlsAuthz?: readonly string[] | undefined;
}

export const TLS_ROWS = {
  tls: {
    kind: flag(),
    help: 'TLS 1.3 with the files of /etc/pki/ramferry or /etc/pki/qemu',
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    default: false,
    environment: true,
  },
  tlsCreds: {
    kind: directory(),
    help: "TLS 1.3 with this directory's ca-cert.pem, server- or client-cert.pem and -key.pem, or keys.psk",
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    environment: true,
  },
  tlsKeyPassphraseFile: {
    kind: file(),
    help: 'file whose first line decrypts the private key',
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    environment: true,
  },
  tlsPskIdentity: {
    kind: text(),
    help: 'identity of the key of keys.psk that a client uses',
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    defaultText: 'qemu',
    environment: true,
  },
  tlsVerifyPeer: {
    kind: onOff(),
    help: 'a listener demands a certificate of its client',
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    default: true,
    environment: true,
  },
  tlsHostname: {
    kind: text(),
    help: "name that the listener's certificate must bear",
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    defaultText: 'the host of the address',
    environment: true,
  },
  tlsAuthz: {
    kind: texts(),
    help: 'pattern of the distinguished name (or identity) that the other side must have; repeat for more; serve: {GUESTS}PATTERN',
    commands: ['send', 'qemu-migrate', 'receive', 'serve'],
    default: [],
    defaultText: 'any that is verified',
  },
} as const satisfies Rows;
