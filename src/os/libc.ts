// System calls that Node.js does not offer: for sockets, files, memory and the immediate exit.
// All are optional: callers need a fallback where `libc()` is undefined (no koffi binary for this machine).
// A call returns the system's result, and an error as a negative errno.

import { type Bound, declareForeign } from './foreign.js';

export const POLL_IN = 1;
export const POLL_OUT = 4;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

export interface Libc {
  /** _exit(2): ends the process at once, with all its threads. */
  exit(status: number): void;
  /** Reads the bytes that a socket holds. Never blocks, also on a blocking descriptor; -EAGAIN when the socket is empty. */
  receive(fd: number, target: Uint8Array): number;
  /** Writes as many bytes as the socket accepts. Never blocks, also on a blocking descriptor. */
  send(fd: number, bytes: Uint8Array): number;
  /** Waits on a thread of libuv's pool until the descriptor is ready; 0 when the time expires first. */
  poll(fd: number, events: number, milliseconds: number): Promise<number>;
  /** Bytes written to a socket that the peer has not acknowledged (tcp) or read (unix). */
  unsent(fd: number): number;
  /** setsockopt(2) with an integer. */
  setOption(fd: number, level: number, name: number, value: number): number;
  /** PID of the process that created the listening end of a connected unix socket; 0 when it has none in this PID namespace. */
  peerProcess(fd: number): number;
  /** The name to which the peer of a connected unix socket was bound, as the peer gave it; '' = none. */
  peerName(fd: number): string;
  /** Bytes in a pipe that its reader has not read. */
  unread(fd: number): number;
  /**
   * lseek(2) on a regular file: the first position from `offset` on where data (SEEK_DATA) or a hole (SEEK_HOLE) begins. Moves the
   * descriptor's own offset there.
   */
  seek(fd: number, offset: number, whence: number): number;
  /** flock(2): locks an open file for this process alone until it is closed. Never blocks; -EWOULDBLOCK when another has it. */
  lock(fd: number): number;
  /** pipe2(2): the read end and the write end. Both are closed on exec. */
  pipe(): [number, number] | undefined;
  /** Bytes that a pipe has room for; a negative errno where the descriptor is no pipe. */
  pipeSize(fd: number): number;
  /** Changes the room of a pipe. @returns the room in bytes, at least as much as requested, or a negative errno */
  setPipeSize(fd: number, bytes: number): number;
  /** Bytes from the start of the memory to the first page boundary in it: 0 to 4095. */
  toPage(memory: ArrayBufferLike): number;
  /**
   * Sends one datagram to a unix socket; Node.js has none of that kind. Never blocks.
   * @param path a leading `@` names an abstract socket
   */
  sendDatagram(path: string, bytes: Uint8Array): number;
  /** Requests huge pages for memory that will be used from its start on. No effect where the host has none. */
  largePages(memory: ArrayBufferLike): void;
  /**
   * Makes the system find memory for all whole small pages of these bytes at once, with large pages or with none. The content stays.
   * No effect before Linux 5.14.
   */
  populate(memory: ArrayBufferLike, offset: number, length: number, isLarge: boolean): void;
  /** Bytes from the last multiple of `size`, an address, to this offset of the memory. */
  pastBoundary(memory: ArrayBufferLike, offset: number, size: number): number;
}

// Linux, all architectures Node runs on (asm-generic/ioctls.h, bits/socket.h, bits/fcntl-linux.h).
const SIOCOUTQ = 0x5411;
const FIONREAD = 0x541b;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const WIDE_WORD = process.arch !== 'arm' && process.arch !== 'ia32' && process.arch !== 'mipsel';
/** PowerPC has other numbers for socket options (asm/socket.h). */
const SO_PEERCRED = process.arch === 'ppc64' ? 21 : 17;
/** struct sockaddr_un: the family, then the name. */
const ADDRESS_BYTES = 110;
const FAMILY_BYTES = 2;
const O_CLOEXEC = 0o2000000;
const AF_UNIX = 1;
/** MIPS has other numbers for the types of sockets (asm/socket.h). */
const SOCK_DGRAM = process.arch.startsWith('mips') ? 1 : 2;
const SOCK_CLOEXEC = O_CLOEXEC;
/** `@` in place of the leading zero byte. */
const ABSTRACT = 0x40;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const LOCK_EX_NB = 6;
const MADV_HUGEPAGE = 14;
const MADV_NOHUGEPAGE = 15;
const MADV_POPULATE_WRITE = 23;
const SMALL_PAGE = 4096;
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

interface Functions {
  _exit(status: number): void;
  recv: SocketCall;
  send: SocketCall;
  poll: {
    async(
      entries: Uint8Array,
      count: number,
      milliseconds: number,
      done: (error: Error | null, ready: number) => void,
    ): void;
  };
  ioctl(fd: number, request: number, value: Int32Array): number;
  setsockopt(fd: number, level: number, name: number, value: Int32Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Int32Array, length: Uint32Array): number;
  socket(family: number, type: number, protocol: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): number;
  close(fd: number): number;
  getpeername(fd: number, address: Uint8Array, length: Uint32Array): number;
  pipe2(ends: Int32Array, flags: number): number;
  fcntl(fd: number, command: number, type: 'int', value: number): number;
  lseek(fd: number, offset: number, whence: number): number | bigint;
  flock(fd: number, operation: number): number;
  madvise(memory: Uint8Array, length: number, advice: number): number;
  /** Gives the address of `memory`: a search for its first byte returns that address. */
  memchr(memory: Uint8Array, byte: number, length: number): number | bigint;
}

type SocketCall = (fd: number, memory: Uint8Array, length: number, flags: number) => number;
type Calls = Bound<Functions>;

const functions = declareForeign<Functions>({
  _exit: 'void _exit(int status)',
  // Sockets.
  recv: 'long recv(int fd, void *target, size_t length, int flags)',
  send: 'long send(int fd, const void *bytes, size_t length, int flags)',
  poll: 'int poll(void *entries, unsigned long count, int timeout)',
  ioctl: 'int ioctl(int fd, unsigned long request, void *value)',
  setsockopt: 'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  getsockopt: 'int getsockopt(int fd, int level, int name, void *value, void *length)',
  socket: 'int socket(int family, int type, int protocol)',
  sendto:
    'long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, unsigned int addressLength)',
  close: 'int close(int fd)',
  getpeername: 'int getpeername(int fd, void *address, void *length)',
  // Files. An offset has 64 bits, also on machines with 32-bit words.
  pipe2: 'int pipe2(void *ends, int flags)',
  fcntl: 'int fcntl(int fd, int command, ...)',
  lseek: `int64_t ${WIDE_WORD ? 'lseek' : 'lseek64'}(int fd, int64_t offset, int whence)`,
  flock: 'int flock(int fd, int operation)',
  // Memory.
  madvise: 'int madvise(void *memory, size_t length, int advice)',
  memchr: 'uintptr_t memchr(const void *memory, int byte, size_t length)',
});

function orErrno(calls: Calls, result: number): number {
  return result < 0 ? -calls.errno() : result;
}

/** An ioctl(2) that counts bytes; 0 where it fails. */
function count(calls: Calls, fd: number, request: number): number {
  const value = new Int32Array(1);
  return calls.ioctl(fd, request, value) < 0 ? 0 : value[0]!;
}

function poll(calls: Calls, fd: number, events: number, milliseconds: number): Promise<number> {
  const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: int fd, short events, short revents
  entry.setInt32(0, fd, LITTLE_ENDIAN);
  entry.setInt16(4, events, LITTLE_ENDIAN);
  return new Promise((resolve, reject) => {
    calls.poll.async(new Uint8Array(entry.buffer), 1, milliseconds, (error, ready) => {
      if (error) reject(error);
      else resolve(ready);
    });
  });
}

function peerProcess(calls: Calls, fd: number): number {
  const credentials = new Int32Array(3); // struct ucred: pid, uid, gid
  const failed = calls.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, Uint32Array.of(12)) < 0;
  return failed ? 0 : credentials[0]!;
}

function peerName(calls: Calls, fd: number): string {
  const address = Buffer.alloc(ADDRESS_BYTES);
  const length = Uint32Array.of(ADDRESS_BYTES);
  if (calls.getpeername(fd, address, length) < 0) return '';
  const name = address.subarray(FAMILY_BYTES, length[0]);
  const end = name.indexOf(0);
  return name.subarray(0, end < 0 ? name.length : end).toString('utf8');
}

function sendDatagram(calls: Calls, path: string, bytes: Uint8Array): number {
  const name = Buffer.from(path);
  if (name[0] === ABSTRACT) name[0] = 0;
  const address = Buffer.alloc(FAMILY_BYTES + name.length);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
  name.copy(address, FAMILY_BYTES);
  const fd = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return orErrno(calls, fd);
  const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const sent = orErrno(calls, calls.sendto(fd, bytes, bytes.length, flags, address, address.length));
  calls.close(fd);
  return sent;
}

function pipe(calls: Calls): [number, number] | undefined {
  const ends = new Int32Array(2);
  return calls.pipe2(ends, O_CLOEXEC) < 0 ? undefined : [ends[0]!, ends[1]!];
}

/** Touches nothing but the first byte: where a byte was touched, the system has put a small page. */
function pastBoundary(calls: Calls, memory: ArrayBufferLike, offset: number, size: number): number {
  const first = new Uint8Array(memory, 0, 1);
  const address = BigInt(calls.memchr(first, first[0]!, 1)) + BigInt(offset);
  return Number(address % BigInt(size));
}

function toPage(calls: Calls, memory: ArrayBufferLike, offset = 0): number {
  const past = pastBoundary(calls, memory, offset, SMALL_PAGE);
  return past === 0 ? 0 : SMALL_PAGE - past;
}

function largePages(calls: Calls, memory: ArrayBufferLike): void {
  const start = toPage(calls, memory);
  const length = memory.byteLength - start;
  if (length > 0) calls.madvise(new Uint8Array(memory, start), length - (length % SMALL_PAGE), MADV_HUGEPAGE);
}

function populate(
  calls: Calls,
  memory: ArrayBufferLike,
  offset: number,
  length: number,
  isLarge: boolean,
): void {
  const start = toPage(calls, memory, offset);
  const whole = length - start - ((length - start) % SMALL_PAGE);
  if (whole <= 0) return;
  const bytes = new Uint8Array(memory, offset + start);
  calls.madvise(bytes, whole, isLarge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  calls.madvise(bytes, whole, MADV_POPULATE_WRITE);
}

function load(): Libc | undefined {
  const calls = functions();
  if (calls === undefined) return undefined;
  return {
    exit: (status) => calls._exit(status),
    receive: (fd, target) => orErrno(calls, calls.recv(fd, target, target.length, MSG_DONTWAIT)),
    send: (fd, bytes) => orErrno(calls, calls.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL)),
    poll: (fd, events, milliseconds) => poll(calls, fd, events, milliseconds),
    setOption: (fd, level, name, value) =>
      orErrno(calls, calls.setsockopt(fd, level, name, Int32Array.of(value), 4)),
    peerProcess: (fd) => peerProcess(calls, fd),
    peerName: (fd) => peerName(calls, fd),
    sendDatagram: (path, bytes) => sendDatagram(calls, path, bytes),
    unsent: (fd) => count(calls, fd, SIOCOUTQ),
    unread: (fd) => count(calls, fd, FIONREAD),
    seek: (fd, offset, whence) => orErrno(calls, Number(calls.lseek(fd, offset, whence))),
    lock: (fd) => orErrno(calls, calls.flock(fd, LOCK_EX_NB)),
    pipe: () => pipe(calls),
    pipeSize: (fd) => orErrno(calls, calls.fcntl(fd, F_GETPIPE_SZ, 'int', 0)),
    setPipeSize: (fd, bytes) => orErrno(calls, calls.fcntl(fd, F_SETPIPE_SZ, 'int', bytes)),
    toPage: (memory) => toPage(calls, memory),
    largePages: (memory) => largePages(calls, memory),
    populate: (memory, offset, length, isLarge) => populate(calls, memory, offset, length, isLarge),
    pastBoundary: (memory, offset, size) => pastBoundary(calls, memory, offset, size),
  };
}

let loaded: { readonly calls: Libc | undefined } | undefined;

/** The system calls; undefined where koffi has no prebuilt binary for this machine. */
export function libc(): Libc | undefined {
  loaded ??= { calls: load() };
  return loaded.calls;
}

/** Whether the system calls are loaded already. */
export function isLibcLoaded(): boolean {
  return loaded?.calls !== undefined;
}
