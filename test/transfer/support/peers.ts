// Made-up peers for send and receive: programs at the other end of a unix socket that say and do what a test wants.

import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import net from 'node:net';

import { CONTROL_MAGIC } from '../../../src/control/messages.js';
import { type Hello, helloMessage } from '../../../src/control/negotiation.js';

export const HELLO: Hello = {
  software: 'test',
  versions: [1],
  codecs: ['none', 'lz4', 'zstd', 'zlib'],
  maxChunk: 67_108_864,
  memory: 2 ** 30,
};

export function introduction(change: Partial<Hello> = {}): Buffer {
  return Buffer.concat([CONTROL_MAGIC, helloMessage({ ...HELLO, ...change })]);
}

/** A peer that listens; `talk` gets the first connection, and what it throws ends the connection. */
export async function peerAt(
  path: string,
  talk: (peer: Peer) => Promise<void>,
): Promise<{ done: Promise<Peer>; address: string }> {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(path);
  await once(server, 'listening');
  const done = (async () => {
    const [socket] = (await once(server, 'connection')) as [net.Socket];
    const peer = new Peer(socket);
    try {
      await talk(peer);
    } finally {
      socket.destroy();
      server.close();
    }
    return peer;
  })();
  return { done, address: `unix:${path}` };
}

/** Connects to a listener. */
export async function connectTo(path: string): Promise<Peer> {
  const socket = net.connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  return new Peer(socket);
}

export class Peer {
  readonly socket: net.Socket;
  readonly #parts: Buffer[] = [];
  /** Resolves at the end of what the other side sends. */
  readonly ended: Promise<void>;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => this.#parts.push(piece));
    this.ended = new Promise((resolve) => {
      socket.once('end', resolve).once('close', () => {
        resolve();
      });
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  say(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Ends our direction, and resolves when the kernel has everything. */
  async hangsUp(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.end(() => {
        resolve();
      });
    });
  }

  /** Resolves when this many bytes have come, or the other side has ended. */
  async hears(bytes: number): Promise<void> {
    let ended = false;
    void this.ended.then(() => (ended = true));
    const state = (): boolean => ended || this.received.length >= bytes;
    while (!state()) await Promise.race([once(this.socket, 'data'), this.ended]);
  }
}
