// A tcp proxy that stands for a long path: each byte arrives a fixed time later, in both directions, and each connection has a window. A
// byte takes its place in the window until its acknowledgement would be back, so one connection carries at most window / round trip.

import { once } from 'node:events';
import net from 'node:net';

import { handleOf } from '../src/link/handle.js';
import { libc } from '../src/os/libc.js';

/** linux/socket.h, the same on all architectures. */
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
/** What the kernel holds of a connection before the path. A sender's own kernel would hold no more than is unsent. */
const BEFORE_BYTES = 65_536;

export interface PathOptions {
  /** Milliseconds from one end to the other, in each direction. */
  readonly delay: number;
  /** Bytes of one direction of one connection that may be under way or not yet acknowledged. */
  readonly window: number;
}

export class DelayProxy {
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  readonly #pairs: (readonly [net.Socket, net.Socket])[] = [];
  readonly #target: { readonly host: string; readonly port: number };
  readonly #options: PathOptions;
  /** Bytes of all connections that have left the side that connects. */
  carried = 0;

  private constructor(target: { readonly host: string; readonly port: number }, options: PathOptions) {
    this.#target = target;
    this.#options = options;
    this.#server.on('connection', (socket) => this.#connect(socket));
  }

  static async open(
    target: { readonly host: string; readonly port: number },
    options: PathOptions,
  ): Promise<DelayProxy> {
    const proxy = new DelayProxy(target, options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Resets one connection, counted in the order in which they were made. */
  cut(index: number): void {
    for (const socket of this.#pairs[index]!) socket.resetAndDestroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#pairs.flat()) socket.destroy();
  }

  #connect(near: net.Socket): void {
    const far = net.connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    const handle = handleOf(near);
    if (handle !== undefined) libc()?.setOption(handle.fd, SOL_SOCKET, SO_RCVBUF, BEFORE_BYTES);
    this.#pairs.push([near, far]);
    far.once('connect', () => {
      carry(near, far, this.#options, (bytes) => (this.carried += bytes));
      carry(far, near, this.#options, () => undefined);
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on('error', () => undefined);
      // An end in order takes its time, behind the bytes before it.
      socket.on('close', (hadError) => hadError && other.destroy());
    }
  }
}

interface Piece {
  readonly bytes: Buffer;
  readonly due: number;
}

/** Carries one direction until it ends, and then its end. */
function carry(
  from: net.Socket,
  to: net.Socket,
  { delay, window }: PathOptions,
  count: (bytes: number) => void,
): void {
  const way: Piece[] = [];
  let held = 0;
  let isTaking = true;
  let timer: NodeJS.Timeout | undefined;
  const add = (bytes: Buffer): void => {
    way.push({ bytes, due: performance.now() + delay });
    timer ??= setTimeout(deliver, delay);
  };
  const take = (): void => {
    while (held < window && from.readableLength > 0) {
      const bytes = from.read(Math.min(from.readableLength, window - held)) as Buffer;
      held += bytes.length;
      count(bytes.length);
      add(bytes);
    }
    // Without this call the stream does not report its end.
    if (from.readableLength === 0) from.read(0);
  };
  const release = (bytes: number): void => {
    held -= bytes;
    take();
  };
  const deliver = (): void => {
    timer = undefined;
    while (isTaking && way.length > 0 && way[0]!.due <= performance.now()) {
      const { bytes } = way.shift()!;
      if (bytes.length === 0) to.end();
      else {
        isTaking = to.write(bytes);
        // The acknowledgement is under way as long as the bytes were.
        setTimeout(release, delay, bytes.length);
      }
    }
    if (isTaking && way.length > 0) timer = setTimeout(deliver, Math.max(1, way[0]!.due - performance.now()));
  };
  to.on('drain', () => {
    isTaking = true;
    if (timer === undefined) deliver();
  });
  from.on('readable', take);
  from.on('end', () => add(Buffer.alloc(0)));
  take();
}
