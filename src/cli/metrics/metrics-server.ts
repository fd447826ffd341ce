// The address of --metrics-listen: GET /metrics answers with the metrics of this moment. A client that is slow, silent or wrong loses its
// connection and delays no transfer. The server keeps no process alive.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { RamferryError } from '../../errors.js';
import { systemText } from '../../io/system-error.js';
import { parseAddress } from '../../link/address.js';
import type { MetricsRegistry } from './registry.js';

/** Connections at the same time. */
const MAX_CONNECTIONS = 16;
/** Milliseconds that a client may take for its request. */
const REQUEST_MS = 10_000;
const PATH = '/metrics';

export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens.
   * @param address HOST:PORT; port 0 lets the system choose
   * @throws RamferryError ERR_LINK_LISTEN, ERR_OPTION_INVALID
   */
  static async open(address: string, registry: MetricsRegistry): Promise<MetricsServer> {
    const { host, port } = placeOf(address);
    const server = createServer(
      { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS },
      (request, response) => {
        void answer(request, response, registry);
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    // A client may read its answer slowly, or not at all.
    server.setTimeout(REQUEST_MS, (socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (thrown) => {
        reject(
          new RamferryError('ERR_LINK_LISTEN', `metrics-listen: ${address}: ${systemText(thrown)}`, {
            cause: thrown,
            hint: 'choose a free port of this host; port 0 takes any',
          }),
        );
      });
      server.listen({ host, port }, resolve);
    });
    // A connection that cannot be accepted ends nothing.
    server.on('error', () => undefined);
    server.on('connection', (socket) => socket.unref());
    server.unref();
    return new MetricsServer(server);
  }

  /** Where the metrics are: `http://127.0.0.1:9639/metrics`. */
  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}${PATH}`;
  }

  /** Answers that are on their way still arrive. */
  close(): void {
    this.#server.close();
  }
}

/**
 * A listener of its own, not a link: only HOST:PORT and PORT.
 * @throws RamferryError ERR_OPTION_INVALID
 */
export function placeOf(text: string): { readonly host: string; readonly port: number } {
  try {
    const address = parseAddress(`tcp-listen:${text}`);
    if (address.kind === 'tcp-listen') return address;
  } catch {
    // Said below, with this option's name.
  }
  throw new RamferryError(
    'ERR_OPTION_INVALID',
    `metricsListen: expected HOST:PORT, got ${JSON.stringify(text)}`,
    {
      hint: 'write --metrics-listen 127.0.0.1:9639',
    },
  );
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  registry: MetricsRegistry,
): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead || request.url?.split('?', 1)[0] !== PATH) {
    response
      .writeHead(isRead ? 404 : 405, { 'content-type': 'text/plain' })
      .end(`the metrics are at ${PATH}\n`);
    return;
  }
  const text = await registry.render();
  response.writeHead(200, { 'content-type': registry.contentType }).end(text);
}
