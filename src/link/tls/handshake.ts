// The TLS handshake on a new connection, and the judgement of the other side's certificate. Between two sides that both offer the
// protocol `ramferry/1` (ALPN), each then says in one line whether it accepts the other, before any byte of a transfer.

import { X509Certificate } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';

import { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { abortError, asError } from '../../io/system-error.js';
import { AwakeTimer } from '../../os/time/awake-timer.js';
import type { TlsCredentials } from './credentials.js';
import { isAllowed, subjectOf } from './distinguished-name.js';
import { handshakeFailed, refused, refusalOf, refusedByPeer, type Refusal } from './refusal.js';
import type { TlsRole, TlsSettings } from './settings.js';
import { TlsLink } from './tls-link.js';

/** The protocol that says whether each side accepts the other. Without it the peer is another program, such as socat. */
const PROTOCOL = 'ramferry/1';
const ACCEPTED = 'ok';
const REFUSED = 'refused ';
/** Longest line of a judgement. */
const MOST_LINE = 64;
/** Alerts in the clear: a fatal handshake_failure, and close_notify. They tell a peer without TLS what this side speaks. */
const ALERTS = Uint8Array.of(21, 3, 3, 0, 2, 2, 40, 21, 3, 3, 0, 2, 1, 0);
/**
 * Milliseconds from the connection to the other side's judgement. Alone it takes a round trip and a signature; a host that moves fifty
 * guests at once makes their handshakes one after the other.
 */
export const HANDSHAKE_MS = 10_000;

export interface HandshakeOptions {
  readonly label: string;
  readonly settings: TlsSettings;
  readonly credentials: TlsCredentials;
  /** Host of the address, for a client; undefined where the address has none. */
  readonly host?: string | undefined;
  readonly ioTimeout: number;
  /** Ends the handshake and the link. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the handshake alone. */
  readonly whileShaking?: AbortSignal | undefined;
  /** The other side in messages. Default: the label. */
  readonly peer?: string | undefined;
}

/**
 * Makes a connected socket, of which nothing has been read, a client's TLS link. Resolves when the server has accepted this side.
 * @throws ERR_LINK_TLS, ERR_LINK_TIMEOUT, or the signal's reason; the socket is closed then
 */
export function secureClient(socket: net.Socket, options: HandshakeOptions): Promise<TlsLink> {
  const { settings, credentials, host } = options;
  const { context, keys, identity } = credentials;
  const name = settings.hostname ?? host;
  return bounded(socket, options, async () => {
    const secured = tls.connect({
      socket,
      ...context,
      // The certificate is judged below, so that the server hears why it is refused.
      rejectUnauthorized: false,
      ALPNProtocols: [PROTOCOL],
      ...(name === undefined || net.isIP(name) !== 0 ? {} : { servername: name }),
      checkServerIdentity: (_host, certificate) =>
        keys !== undefined || name === undefined ? undefined : tls.checkServerIdentity(name, certificate),
      ...(keys === undefined ? {} : { pskCallback: () => ({ psk: keys.get(identity)!, identity }) }),
    });
    await once(secured, 'secureConnect', peerOf(options));
    return settle(secured, options, judge(secured, options, { role: 'client', identity }));
  });
}

/** As {@link secureClient}, for an accepted connection. Resolves when the client has accepted this side. */
export function secureServer(socket: net.Socket, options: HandshakeOptions): Promise<TlsLink> {
  const { settings, credentials } = options;
  const { context, keys } = credentials;
  let identity = '';
  return bounded(socket, options, async () => {
    // A server that never listens: only servers judge a client's certificate, and they take connections through this event.
    const server = tls.createServer({
      ...context,
      requestCert: keys === undefined && settings.verifyPeer,
      rejectUnauthorized: false,
      allowHalfOpen: true,
      ALPNProtocols: [PROTOCOL],
      ...(keys === undefined
        ? {}
        : {
            pskCallback: (_socket: tls.TLSSocket, name: string) => {
              identity = name;
              return keys.get(name) ?? null;
            },
          }),
    } as tls.TlsOptions);
    const secured = await new Promise<tls.TLSSocket>((resolve, reject) => {
      server.once('secureConnection', resolve);
      server.once('tlsClientError', (thrown) => reject(handshakeFailed(peerOf(options), thrown)));
      server.emit('connection', socket);
    });
    return settle(secured, options, judge(secured, options, { role: 'server', identity }));
  });
}

function peerOf({ label, peer }: HandshakeOptions): string {
  return peer ?? label;
}

/** The other side as this side sees it. */
interface Judgement {
  /** What this side has against the other; undefined = nothing. */
  readonly refusal?: Refusal;
  readonly detail?: string;
  /** What the other side has proved to be. */
  readonly provenName?: string;
}

function judge(
  secured: tls.TLSSocket,
  { settings, credentials }: HandshakeOptions,
  { role, identity }: { readonly role: TlsRole; readonly identity: string },
): Judgement {
  const { authz, verifyPeer } = settings;
  const { raw } = secured.getPeerCertificate() as Partial<tls.PeerCertificate>;
  if (credentials.keys !== undefined) {
    // A server may answer an offered key with a certificate, and then nothing has proved who it is.
    if (raw !== undefined) return { refusal: 'no-shared-key' };
    return judgeName(identity, authz);
  }
  if (raw === undefined) {
    return role === 'server' && !verifyPeer ? {} : { refusal: 'no-certificate' };
  }
  const subject = subjectOf(new X509Certificate(raw));
  if (!secured.authorized) {
    const code = String(secured.authorizationError);
    return { refusal: refusalOf(code), detail: ` ('${subject}': ${code})` };
  }
  return judgeName(subject, authz);
}

function judgeName(name: string, patterns: readonly string[]): Judgement {
  if (patterns.length === 0 || isAllowed(name, patterns)) return { provenName: name };
  return { refusal: 'not-allowed', detail: ` ('${name}')` };
}

/** Tells the other side this side's judgement and waits for its own. @throws ERR_LINK_TLS */
async function settle(
  secured: tls.TLSSocket,
  options: HandshakeOptions,
  { refusal, detail = '', provenName }: Judgement,
): Promise<TlsLink> {
  const { label, ioTimeout, signal } = options;
  const link = new TlsLink(secured, { label, ioTimeout, signal, provenName });
  const spoken = secured.alpnProtocol === PROTOCOL;
  const line = refusal === undefined ? ACCEPTED : `${REFUSED}${refusal}`;
  if (spoken) await link.sink.write(Buffer.from(`${line}\n`));
  if (refusal !== undefined) {
    await link.sink.finish();
    void link.source.close();
    throw refused(peerOf(options), refusal, detail);
  }
  if (!spoken) return link;
  const said = await readLine(link);
  if (said === ACCEPTED) return link;
  void link.sink.finish().catch(() => undefined);
  void link.source.close();
  throw refusedByPeer(peerOf(options), said.startsWith(REFUSED) ? said.slice(REFUSED.length) : '');
}

/** Reads to the end of the line and no byte beyond. */
async function readLine(link: TlsLink): Promise<string> {
  const byte = Buffer.alloc(1);
  let line = '';
  while (line.length < MOST_LINE && (await link.source.read(byte)) > 0) {
    if (byte[0] === 0x0a) return line;
    line += byte.toString('latin1');
  }
  return '';
}

function once(secured: tls.TLSSocket, event: 'secureConnect', label: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (thrown?: unknown): void => reject(handshakeFailed(label, thrown ?? ended()));
    secured.once('error', failed);
    secured.once('close', failed);
    secured.once(event, () => {
      secured.off('error', failed);
      secured.off('close', failed);
      resolve();
    });
  });
}

function ended(): Error {
  return Object.assign(new Error('it closed the connection during the TLS handshake'), {
    code: 'ECONNRESET',
  });
}

/** Runs a handshake within {@link HANDSHAKE_MS}; any failure closes the socket. */
async function bounded(
  socket: net.Socket,
  options: HandshakeOptions,
  run: () => Promise<TlsLink>,
): Promise<TlsLink> {
  let stop: (reason: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => (stop = reject));
  const timer = AwakeTimer.start(HANDSHAKE_MS, () => {
    socket.write(ALERTS);
    stop(
      new RamferryError('ERR_LINK_TIMEOUT', `no TLS with ${peerOf(options)} after ${HANDSHAKE_MS / 1000} s`, {
        hint: 'does the other side have --tls-creds, too?',
      }),
    );
  });
  const forget = [options.signal, options.whileShaking].map((signal) =>
    onAbort(signal, () => stop(abortError(signal!))),
  );
  try {
    return await Promise.race([run(), stopped]);
  } catch (thrown) {
    // A refusal or an alert must still reach the other side.
    if (thrown instanceof RamferryError) socket.destroySoon();
    else socket.destroy();
    throw asError(thrown);
  } finally {
    timer.cancel();
    for (const each of forget) each();
  }
}
