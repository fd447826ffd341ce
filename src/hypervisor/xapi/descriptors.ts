// Operations on descriptors that neither Node nor src/io offers: socket pairs with large buffers, the end of a stream that other
// processes hold open, close-on-exec, and giving up a descriptor that is in use.
// Needs koffi: without it a front could not keep its promises, so it does not start.

import fs from 'node:fs';
import { RamferryError } from '../../errors.js';
import { type Bound, declareForeign } from '../../os/foreign.js';
import { systemError, systemText } from '../../io/system-error.js';
import { accessMode } from '../../link/inherited.js';
import { MIB } from '../../units.js';

// Linux, all architectures Node runs on (asm-generic/socket.h, bits/socket_type.h, fcntl-linux.h).
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
const SHUT_WR = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** A large buffer needs fewer turns of the event loop; at a pause it drains within one or two milliseconds. */
const SOCKET_BUFFER_BYTES = MIB;

export interface SocketPair {
  readonly ours: number;
  readonly theirs: number;
}

interface Functions {
  readonly socketpair: (domain: number, type: number, protocol: number, ends: Int32Array) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number;
  readonly shutdown: (fd: number, how: number) => number;
  readonly dup2: (from: number, to: number) => number;
  readonly fcntl: (fd: number, command: number, type: 'int', value: number) => number;
}

const functions = declareForeign<Functions>({
  socketpair: 'int socketpair(int domain, int type, int protocol, void *ends)',
  setsockopt: 'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  shutdown: 'int shutdown(int fd, int how)',
  dup2: 'int dup2(int from, int to)',
  fcntl: 'int fcntl(int fd, int command, ...)',
});

function calls(): Bound<Functions> {
  const found = functions();
  if (found === undefined) {
    throw new RamferryError('ERR_CODEC_UNAVAILABLE', 'koffi has no binary for this machine', {
      hint: 'emu-manager needs it to leave inherited descriptors as they are',
    });
  }
  return found;
}

/** Two connected sockets, closed on exec, blocking. @throws RamferryError ERR_CODEC_UNAVAILABLE, ERR_LINK_COMMAND */
export function socketPair(): SocketPair {
  const { socketpair, setsockopt, errno } = calls();
  const ends = new Int32Array(2);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    const cause = systemError(errno(), 'socketpair');
    throw new RamferryError('ERR_LINK_COMMAND', `no sockets for emu-manager: ${systemText(cause)}`, {
      cause,
      hint: 'allow more open files (ulimit -n)',
    });
  }
  const size = new Int32Array([SOCKET_BUFFER_BYTES]);
  for (const fd of ends) {
    // SO_SNDBUFFORCE exceeds the system's limit and needs privilege; SO_SNDBUF is capped by the limit.
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, size, 4) < 0)
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, size, 4);
  }
  return { ours: ends[0]!, theirs: ends[1]! };
}

/** Ends writing for all holders of the socket: its reader sees the end of file after the last byte. */
export function endWriting(fd: number): void {
  calls().shutdown(fd, SHUT_WR);
}

/**
 * Closes the file behind the descriptor, but keeps the number in use with the null device: a read or write that begins later
 * gets the null device, not another file that was opened meanwhile.
 */
export function detach(fd: number): void {
  const nothing = fs.openSync('/dev/null', 'r+');
  calls().dup2(nothing, fd);
  fs.closeSync(nothing);
}

/**
 * True for Node's own event descriptors and pipes. A number that xenopsd names but has closed may be one of them.
 * @throws the system's error when the number is free
 */
export function isOwn(fd: number): boolean {
  const stats = fs.fstatSync(fd);
  // Neither file nor socket nor pipe nor device.
  if ((stats.mode & fs.constants.S_IFMT) === 0) return true;
  // This process has only one end of an inherited pipe.
  return (
    stats.isFIFO() && fs.readdirSync('/proc/self/fd').some((name) => isOtherEnd(Number(name), fd, stats))
  );
}

function isOtherEnd(other: number, fd: number, { dev, ino }: fs.Stats): boolean {
  try {
    const stats = fs.fstatSync(other);
    return stats.ino === ino && stats.dev === dev && accessMode(other) !== accessMode(fd);
  } catch {
    return false; // the descriptor of the directory itself is closed again
  }
}

/** Child processes do not inherit this descriptor. The flag belongs to the descriptor: other processes are not affected. */
export function closeOnExec(fd: number): void {
  calls().fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
}
