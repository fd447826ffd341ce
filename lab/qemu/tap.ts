// A tap: a unix socket that relays one connection to another unix socket in both directions, and hashes the bytes.
// Equal hashes of two taps prove that the program between them has changed nothing.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Length and hash of the bytes in one direction. */
export interface Seen {
  readonly bytes: number;
  readonly sha256: string;
}

export class Tap {
  readonly #server: net.Server;
  /** Resolves when both directions have ended. */
  readonly ended: Promise<{ readonly forward: Seen; readonly backward: Seen }>;

  private constructor(server: net.Server, target: string) {
    this.#server = server;
    this.ended = once(server, 'connection').then(([socket]) => passOn(socket as Socket, target));
    this.ended.catch(() => undefined);
  }

  static async listen(path: string, target: string): Promise<Tap> {
    const server = net.createServer({ allowHalfOpen: true });
    const tap = new Tap(server, target);
    server.listen(path);
    await once(server, 'listening');
    return tap;
  }

  close(): void {
    this.#server.close();
  }
}

async function passOn(from: Socket, target: string): Promise<{ forward: Seen; backward: Seen }> {
  const to = net.connect({ path: target, allowHalfOpen: true });
  // Both directions belong to one connection, so both end when either breaks.
  const [forward, backward] = await Promise.all([copy(from, to), copy(to, from)]);
  from.destroy();
  to.destroy();
  return { forward, backward };
}

async function copy(from: Socket, to: Socket): Promise<Seen> {
  const meter = new Meter();
  try {
    await pipeline(from, meter, to);
  } catch {
    // The bytes before a reset count, since QEMU resets return paths when it quits.
  }
  return meter.seen();
}

class Meter extends Transform {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
    done(null, piece);
  }

  seen(): Seen {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}
