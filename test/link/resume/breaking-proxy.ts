// A tcp proxy that breaks: it resets, half-closes, stalls or swallows at given byte positions. A connection after that goes through it again.

import { once } from 'node:events';
import net from 'node:net';

/** What happens when so many bytes of one direction have passed, counted over all connections. */
export interface Break {
  readonly direction: 'forward' | 'backward';
  readonly at: number;
  /** `reset`: both connections are reset. `end`: both end in order. `silence`: nothing passes any more, and nothing is closed. */
  readonly kind: 'reset' | 'end' | 'silence';
  /** Milliseconds in which new connections are refused. */
  readonly down?: number;
}

export class BreakingProxy {
  readonly #server = net.createServer({ allowHalfOpen: true });
  readonly #open = new Set<net.Socket>();
  /** Those that are silent for ever, too. */
  readonly #all = new Set<net.Socket>();
  readonly #pairs: [net.Socket, net.Socket][] = [];
  readonly #breaks: Break[];
  readonly #passed = { forward: 0, backward: 0 };
  /** The listener behind the proxy. */
  readonly target: { readonly host: string; readonly port: number };
  #downUntil = 0;
  /** Breaks that have happened. */
  broken = 0;

  private constructor(target: BreakingProxy['target'], breaks: readonly Break[]) {
    this.target = target;
    this.#breaks = [...breaks].sort((a, b) => a.at - b.at);
    this.#server.on('connection', (socket) => this.#connect(socket));
  }

  static async open(target: BreakingProxy['target'], breaks: readonly Break[]): Promise<BreakingProxy> {
    const proxy = new BreakingProxy(target, breaks);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Breaks both directions now. */
  cut(kind: Break['kind'], down = 0): void {
    this.#happen({ direction: 'forward', at: 0, kind, down });
  }

  /** Resets one connection, in the order in which they were made. */
  cutOne(index: number): void {
    for (const socket of this.#pairs[index]!) reset(socket);
  }

  /** Resolves when so many bytes have passed forward. */
  async carries(bytes: number): Promise<void> {
    while (this.#passed.forward < bytes) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#all) socket.destroy();
  }

  #connect(near: net.Socket): void {
    near.on('error', () => undefined);
    if (Date.now() < this.#downUntil) {
      reset(near);
      return;
    }
    const far = net.connect({ ...this.target, allowHalfOpen: true });
    far.on('error', () => reset(near));
    this.#pairs.push([near, far]);
    this.#pass(near, far, 'forward');
    this.#pass(far, near, 'backward');
  }

  #pass(from: net.Socket, to: net.Socket, direction: Break['direction']): void {
    this.#open.add(from);
    this.#all.add(from);
    from.on('close', () => {
      this.#open.delete(from);
      this.#all.delete(from);
      to.destroy();
    });
    from.on('end', () => to.end());
    from.on('drain', () => to.resume());
    from.on('data', (bytes: Buffer) => {
      const due = this.#breaks.findIndex(
        (each) => each.direction === direction && each.at < this.#passed[direction] + bytes.length,
      );
      if (due < 0) {
        this.#passed[direction] += bytes.length;
        if (!to.write(bytes)) from.pause();
        return;
      }
      const [happens] = this.#breaks.splice(due, 1);
      const part = bytes.subarray(0, Math.max(0, happens!.at - this.#passed[direction]));
      this.#passed[direction] += part.length;
      const happen = (): void => this.#happen(happens!);
      from.pause();
      if (part.length === 0) happen();
      else to.write(part, happen);
    });
  }

  #happen({ kind, down = 0 }: Break): void {
    this.broken += 1;
    this.#downUntil = Date.now() + down;
    for (const socket of this.#open) {
      if (kind === 'reset') reset(socket);
      else if (kind === 'end') socket.destroySoon();
      else socket.removeAllListeners('data').removeAllListeners('end').pause();
    }
    if (kind === 'silence') this.#open.clear();
  }
}

/**
 * Resets a connection. Half-closed ones are closed instead: libuv refuses to reset them (uv_tcp_close_reset), and Node then loses the socket
 * and never ends.
 */
function reset(socket: net.Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
