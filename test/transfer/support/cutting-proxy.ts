// A tcp proxy that cuts the first connection at a place that the test knows by its bytes.

import type { Buffer } from 'node:buffer';
import { once } from 'node:events';
import net from 'node:net';

/** How a proxy ends the first connection: `mute` swallows what comes back; `reset-all` ends every one. The later ones it carries. */
export type Cut = 'reset' | 'reset-all' | 'silence' | 'mute';

export interface Proxy {
  readonly port: number;
  close(): void;
}

/**
 * A proxy that cuts the connection on which `isTime` says so of the bytes of one piece, once.
 * @param down milliseconds after that in which it refuses others
 */
export async function cuttingProxy(
  target: number,
  cut: Cut,
  listens: 'sender' | 'receiver',
  isTime: (piece: Buffer, direction: 'forward' | 'backward') => boolean,
  down = 0,
): Promise<Proxy> {
  const server = net.createServer({ allowHalfOpen: true });
  const all: net.Socket[] = [];
  let hasCut = false;
  let downUntil = 0;
  server.on('connection', (near) => {
    if (performance.now() < downUntil) {
      near.destroy();
      return;
    }
    const far = net.connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    all.push(near, far);
    let dead = false;
    let muted: string | undefined;
    const [forth, back] =
      listens === 'receiver' ? (['forward', 'backward'] as const) : (['backward', 'forward'] as const);
    for (const [from, to, direction] of [[near, far, forth] as const, [far, near, back] as const]) {
      from.on('error', () => to.destroy());
      from.on('end', () => (dead && (cut !== 'mute' || direction === muted)) || to.end());
      from.on('data', (piece: Buffer) => {
        if (!hasCut && isTime(piece, direction)) {
          hasCut = true;
          downUntil = performance.now() + down;
          dead = true;
          muted = direction;
          if (cut === 'reset-all') for (const socket of all) reset(socket);
          if (cut === 'reset') for (const socket of [near, far]) socket.resetAndDestroy();
        }
        if (!dead || (cut === 'mute' && direction !== muted)) to.write(piece);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of all) socket.destroy();
    },
  };
}

/** libuv refuses to reset a half-closed connection. */
function reset(socket: net.Socket): void {
  if (socket.writableEnded || socket.destroyed) socket.destroy();
  else socket.resetAndDestroy();
}
