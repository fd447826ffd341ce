// What a caller says about TLS on a link, and the two roles of a handshake. Pure types: the files are read by credentials.ts.

/** Who listens is the server. */
export type TlsRole = 'server' | 'client';

export interface TlsSettings {
  /** Directory with the files, under QEMU's names. */
  readonly directory: string;
  /** File whose first line decrypts the private key. */
  readonly passphraseFile?: string | undefined;
  /** Identity of a pre-shared key. A client sends it; a directory that has certificates, too, is then used for its keys. */
  readonly pskIdentity?: string | undefined;
  /** Whether a server demands a certificate of the client. A client always verifies the server. */
  readonly verifyPeer: boolean;
  /** Name that the server's certificate must bear. Default: the host of the address. */
  readonly hostname?: string | undefined;
  /** Patterns of the peer's distinguished name (RFC 4514) or pre-shared identity. Empty: any that is verified. */
  readonly authz: readonly string[];
}
