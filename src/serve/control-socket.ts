// The control socket of a server: one JSON object a line in, one a line out. Only the server's user may connect (mode 0600). A client
// that sends too long a line, or does not read, loses its connection and nothing else.

import fs from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';

import * as z from 'zod';

import { type ErrorData, fromErrorData, isErrorCode, RamferryError, toRamferryError } from '../errors.js';
import { listenPrivately } from '../io/private-socket.js';
import { listenError, removeAbandoned } from '../link/listen/binding.js';
import { systemText } from '../io/system-error.js';
import { kebabKeys } from '../transfer/statistics/kebab-keys.js';
import type { GuestServer } from './server.js';

const MAX_LINE_BYTES = 4096;
/** Clients at the same time. */
const MAX_CLIENTS = 16;
/** Milliseconds that a client may be silent. */
const IDLE_MS = 60_000;

const requestSchema = z.discriminatedUnion('command', [
  z.object({ command: z.literal('status') }),
  z.object({ command: z.literal('open'), name: z.string() }),
  z.object({ command: z.literal('close'), name: z.string() }),
]);

export type ControlRequest = z.infer<typeof requestSchema>;

/** An answer: the status, or the error of the command. */
type Answer = Readonly<Record<string, unknown>>;

export class ControlSocket {
  readonly #server = net.createServer((socket) => this.#attend(socket));
  readonly #removeName: (() => void) | undefined = undefined;
  readonly #served: GuestServer;

  private constructor(path: string, served: GuestServer, fd: number | undefined) {
    this.#served = served;
    this.#server.maxConnections = MAX_CLIENTS;
    if (fd === undefined) this.#removeName = listenPrivately(this.#server, path);
    else this.#server.listen({ fd });
    // A client that cannot be accepted ends nothing.
    this.#server.on('error', () => undefined);
    this.#server.unref();
  }

  /**
   * Listens; replaces a socket that a killed process has left behind.
   * @param fd a listening descriptor that the process has inherited
   * @throws ERR_LINK_LISTEN
   */
  static async open(path: string, served: GuestServer, fd?: number): Promise<ControlSocket> {
    const place = { kind: 'unix-listen', path } as const;
    try {
      if (fd === undefined) await removeAbandoned(place);
      return new ControlSocket(path, served, fd);
    } catch (thrown) {
      throw listenError(place, thrown);
    }
  }

  close(): void {
    this.#server.close();
    this.#removeName?.();
  }

  #attend(socket: net.Socket): void {
    let line = '';
    socket.unref();
    socket.setEncoding('utf8').setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (text: string) => {
      const [first, ...rest] = (line + text).split('\n');
      const whole = rest.length === 0 ? [] : [first!, ...rest.slice(0, -1)];
      line = rest.at(-1) ?? first!;
      if (line.length > MAX_LINE_BYTES || socket.writableLength > 0) socket.destroy();
      else for (const each of whole) void this.#answer(each).then((answer) => reply(socket, answer));
    });
  }

  async #answer(line: string): Promise<Answer> {
    try {
      const request = readRequest(line);
      if (request.command === 'open') await this.#served.open(request.name);
      if (request.command === 'close') this.#served.close(request.name);
      const status = kebabKeys((await this.#served.status()) as unknown as Record<string, unknown>);
      return { message_type: 'server', ...(status as Answer) };
    } catch (thrown) {
      return { message_type: 'error', ...toRamferryError(thrown).toData() };
    }
  }
}

function reply(socket: net.Socket, answer: Answer): void {
  if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
}

function readRequest(line: string): ControlRequest {
  try {
    return requestSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new RamferryError('ERR_USAGE', 'this is no request', {
      cause,
      hint: 'one JSON object a line: {"command":"status"}, {"command":"open","name":"web1"}, {"command":"close","name":"web1"}',
    });
  }
}

/**
 * Asks the server behind a control socket.
 * @returns the answer's line, JSON
 * @throws ERR_LINK_CONNECT where no server answers; the error of the command
 */
export async function ask(path: string, request: ControlRequest): Promise<string> {
  const socket = net.connect({ path });
  try {
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer for 10 s')));
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of createInterface({ input: socket })) return checked(line);
    throw new Error('the connection was closed without an answer');
  } catch (thrown) {
    if (thrown instanceof RamferryError) throw thrown;
    throw new RamferryError('ERR_LINK_CONNECT', `no server answers at unix:${path}: ${systemText(thrown)}`, {
      hint: fs.existsSync(path)
        ? 'run it as the user of `ramferry serve`, whose --control this is'
        : 'start `ramferry serve` with --control, and name the same socket',
      cause: thrown,
    });
  } finally {
    socket.destroy();
  }
}

function checked(line: string): string {
  const { message_type: kind, ...error } = JSON.parse(line) as {
    message_type?: unknown;
  } & Partial<ErrorData>;
  if (kind !== 'error') return line;
  const { code, message } = error;
  if (!isErrorCode(code) || message === undefined) throw new Error('the answer is not understood');
  throw fromErrorData({ ...error, code, message });
}
