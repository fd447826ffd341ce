// The stream between two hosts, or to a disk: xenopsd's descriptor, which is blocking and shared with the process that
// xenopsd starts, and its far end.
import fs from 'node:fs';
import type { ByteSink, ByteSource } from '../../src/io/bytes.js';
import { libc } from '../../src/os/libc.js';
import { socketPair } from '../../src/hypervisor/xapi/descriptors.js';
import { RamferryError } from '../../src/errors.js';
import { type SocketLink, socketLinkOfDescriptor } from '../../src/link/socket.js';
import { Collector, feed } from './collector.js';

/** `file`: a save appends to a regular file, a restore reads one. */
export type Transport = 'socket' | 'pipe' | 'file';
export const TRANSPORTS: readonly Transport[] = ['socket', 'pipe', 'file'];

/** The bytes that arrived over the transport, or the contents of the file. */
export interface Arrivals {
  readonly ended: Promise<void>;
  bytes(): Buffer;
  close(): Promise<void>;
}

const links: SocketLink[] = [];

/** Closes all links, so that those of a failed test do not keep the process alive. */
export function closeLinks(): void {
  for (const link of links.splice(0)) link.fail(new RamferryError('ERR_LINK_CLOSED', 'the test is over'));
}

/** Opens a link on a descriptor. closeLinks() closes it. */
export function linkOf(fd: number, pipe: boolean, readable: boolean, writable: boolean): SocketLink {
  const link = socketLinkOfDescriptor(fd, { label: 'the far end', pipe, readable, writable, ioTimeout: 0 });
  links.push(link);
  return link;
}

export class Stream {
  readonly fd: number;
  /** The far descriptor; -1 for a file. */
  readonly far: number;
  readonly transport: Transport;
  readonly #saving: boolean;
  readonly #path: string;
  #link: SocketLink | undefined;

  /** @param path path of the regular file, for transport `file` */
  constructor(transport: Transport, saving: boolean, path: string) {
    this.transport = transport;
    this.#saving = saving;
    this.#path = path;
    if (transport === 'file') {
      fs.closeSync(fs.openSync(path, 'a'));
      this.fd = fs.openSync(path, saving ? 'a' : 'r');
      this.far = -1;
    } else if (transport === 'socket') {
      const { ours, theirs } = socketPair();
      this.fd = ours;
      this.far = theirs;
    } else {
      const [reading, writing] = libc()!.pipe()!;
      this.fd = saving ? writing : reading;
      this.far = saving ? reading : writing;
    }
  }

  /** Opens the far end, which has its own open file description. */
  #open(): SocketLink {
    const socket = this.transport === 'socket';
    this.#link ??= linkOf(this.far, !socket, socket || this.#saving, socket || !this.#saving);
    return this.#link;
  }

  get source(): ByteSource {
    return this.#open().source!;
  }

  get sink(): ByteSink {
    return this.#open().sink!;
  }

  /** Bytes in the kernel's buffer that have not been read. */
  get waiting(): number {
    return libc()?.unread(this.#saving ? this.far : this.fd) ?? 0;
  }

  /** Limits a socket's buffer to about that of a pipe. */
  narrow(): void {
    // asm-generic/socket.h
    const [SOL_SOCKET, SO_SNDBUF] = [1, 7];
    if (this.transport === 'socket') libc()!.setOption(this.fd, SOL_SOCKET, SO_SNDBUF, 32 * 1024);
  }

  collect(piece?: number): Arrivals {
    if (this.transport !== 'file') return new Collector(this.source, piece === undefined ? {} : { piece });
    return {
      ended: Promise.resolve(),
      bytes: () => fs.readFileSync(this.#path),
      close: () => Promise.resolve(),
    };
  }

  /** Sends bytes to the near end; stops without an error when the reader has closed. */
  async feed(bytes: Uint8Array): Promise<void> {
    if (this.transport === 'file') fs.appendFileSync(this.#path, bytes);
    else await feed(this.sink, bytes);
  }

  /** Ends the stream at the far end. */
  async end(): Promise<void> {
    if (this.transport !== 'file') await this.sink.finish();
  }

  /** Closes both ends. */
  close(): void {
    fs.closeSync(this.fd);
    if (this.#link !== undefined) this.#link.fail(new RamferryError('ERR_LINK_CLOSED', 'closed by the test'));
    else if (this.far >= 0) fs.closeSync(this.far);
  }
}
