// The few things about descriptors that neither Node nor src/io offers: pairs of sockets with room in them, the end of
// a stream that others keep open, which descriptors a child does not inherit, and giving one back while it is in use.
// Needs koffi; a front without it would not be able to keep its promises and does not start.

import fs from 'node:fs';
import { RamferryError } from '../../errors.js';
import { foreign } from '../../os/libc.js';
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

/** Fewer turns of the event loop for the same bytes; what lies in it at a pause is gone within a millisecond or two. */
const SOCKET_BUFFER_BYTES = MIB;

export interface SocketPair {
  readonly ours: number;
  readonly theirs: number;
}

interface Calls {
  readonly socketpair: (domain: number, type: number, protocol: number, ends: Int32Array) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Int32Array, length: number) => number;
  readonly shutdown: (fd: number, how: number) => number;
  readonly dup2: (from: number, to: number) => number;
  readonly fcntl: (fd: number, command: number, type: 'int', value: number) => number;
  readonly errno: () => number;
}

let loaded: Calls | undefined;

function calls(): Calls {
  if (loaded !== undefined) return loaded;
  const found = foreign();
  if (found === undefined) {
    throw new RamferryError('ERR_CODEC_UNAVAILABLE', 'koffi has no binary for this machine', {
      hint: 'emu-manager needs it to leave inherited descriptors as they are',
    });
  }
  const { koffi, library } = found;
  const shape = {
    socketpair: 'int socketpair(int domain, int type, int protocol, void *ends)',
    setsockopt: 'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
    shutdown: 'int shutdown(int fd, int how)',
    dup2: 'int dup2(int from, int to)',
    fcntl: 'int fcntl(int fd, int command, ...)',
  };
  const functions = Object.fromEntries(
    Object.entries(shape).map(([name, prototype]) => [name, library.func(prototype)]),
  );
  loaded = { ...(functions as unknown as Omit<Calls, 'errno'>), errno: () => koffi.errno() };
  return loaded;
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
    // Beyond the system's limit only with privilege; otherwise as much as there is.
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, size, 4) < 0)
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, size, 4);
  }
  return { ours: ends[0]!, theirs: ends[1]! };
}

/** No more bytes will come through this socket, whoever else holds it: its reader sees the end after the last one. */
export function endWriting(fd: number): void {
  calls().shutdown(fd, SHUT_WR);
}

/**
 * Gives up this process's hold on what stands behind the number. The number stays taken, by the null device: a read or write
 * that has not begun yet meets that, and no descriptor that is opened later.
 */
export function detach(fd: number): void {
  const nothing = fs.openSync('/dev/null', 'r+');
  calls().dup2(nothing, fd);
  fs.closeSync(nothing);
}

/**
 * Node has opened event descriptors and pipes of its own. A number that xenopsd names and has closed may be one of those.
 * @throws Error of the system when the number is free
 */
export function isOwn(fd: number): boolean {
  const stats = fs.fstatSync(fd);
  // Neither file nor socket nor pipe nor device.
  if ((stats.mode & fs.constants.S_IFMT) === 0) return true;
  // Of a pipe that was inherited, this process has one end only.
  return (
    stats.isFIFO() && fs.readdirSync('/proc/self/fd').some((name) => isOtherEnd(Number(name), fd, stats))
  );
}

function isOtherEnd(other: number, fd: number, { dev, ino }: fs.Stats): boolean {
  try {
    const stats = fs.fstatSync(other);
    return stats.ino === ino && stats.dev === dev && accessMode(other) !== accessMode(fd);
  } catch {
    return false; // the directory's own descriptor is closed again
  }
}

/** Programs that are started do not get this descriptor unless they are given it. Nothing that is shared changes. */
export function closeOnExec(fd: number): void {
  calls().fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
}
