// Puts the soak's link between a sender and a listening receiver. Both connect to sockets of this process.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

import type { CutLink } from './cut-link.js';

export interface Relay {
  /** Address for the sender to connect to. */
  readonly address: string;
  close(): void;
}

/** @param target the receiver's printed address: tcp:… or unix:… */
export async function relayTo(target: string, link: CutLink, socketPath: string): Promise<Relay> {
  const unix = target.startsWith('unix:');
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (sender) => {
    const receiver = connect({ ...place(target), allowHalfOpen: true });
    for (const socket of [sender, receiver]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    link.join(sender, receiver);
  });
  if (unix) server.listen(socketPath);
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const address =
    typeof bound === 'object' && bound !== null ? `tcp:127.0.0.1:${bound.port}` : `unix:${socketPath}`;
  return {
    address,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function place(target: string): { path: string } | { host: string; port: number } {
  if (target.startsWith('unix:')) return { path: target.slice('unix:'.length) };
  return { host: '127.0.0.1', port: Number(target.slice(target.lastIndexOf(':') + 1)) };
}
