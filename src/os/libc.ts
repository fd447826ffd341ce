// The few system calls that Node does not offer, through koffi, loaded when first needed.
// Everything here is optional: callers have a way without it when `libc()` is undefined.
// Calls return what the system returned, errors as negative errno.

import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

export const POLL_IN = 1;
export const POLL_OUT = 4;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

export interface Libc {
  /** Ends the process at once, whatever its threads are doing. */
  exit(status: number): void;
  /** Takes what a socket has, without waiting and whatever its flags; -EAGAIN when there is nothing. */
  receive(fd: number, target: Uint8Array): number;
  /** Gives a socket what it can take, without waiting and whatever its flags. */
  send(fd: number, bytes: Uint8Array): number;
  /** Waits on a thread of libuv's pool until the descriptor is ready; 0 when the time is over first. */
  poll(fd: number, events: number, milliseconds: number): Promise<number>;
  /** Bytes written to a socket that the other side has not acknowledged (tcp) or read (unix). */
  unsent(fd: number): number;
  /** setsockopt(2) with an integer. */
  setOption(fd: number, level: number, name: number, value: number): number;
  /** The process that made the listening end of a connected unix socket; 0 where it has no number here. */
  peerProcess(fd: number): number;
  /** The name to which the other end of a connected unix socket was bound, as that process wrote it; '' = none. */
  peerName(fd: number): string;
  /** Bytes lying in a pipe. */
  unread(fd: number): number;
  /**
   * lseek(2) on a regular file: where, from `offset` on, data (SEEK_DATA) or a hole (SEEK_HOLE) begins. Moves the descriptor's own
   * offset there.
   */
  seek(fd: number, offset: number, whence: number): number;
  /** A pipe: the end to read from, the end to write to. Both are closed on exec. */
  pipe(): [number, number] | undefined;
  /** Bytes from the start of the memory to the first page boundary in it: 0 to 4095. */
  toPage(memory: ArrayBufferLike): number;
  /** Asks for large pages under memory that will be used from its beginning on; where they cannot be had nothing happens. */
  largePages(memory: ArrayBufferLike): void;
}

// Linux, all architectures Node runs on (asm-generic/ioctls.h, bits/socket.h, bits/fcntl-linux.h).
const SIOCOUTQ = 0x5411;
const FIONREAD = 0x541b;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const WIDE_WORD = process.arch !== 'arm' && process.arch !== 'ia32' && process.arch !== 'mipsel';
/** PowerPC numbers its socket options otherwise (asm/socket.h). */
const SO_PEERCRED = process.arch === 'ppc64' ? 21 : 17;
/** struct sockaddr_un: the family, then the name. */
const ADDRESS_BYTES = 110;
const FAMILY_BYTES = 2;
const O_CLOEXEC = 0o2000000;
const MADV_HUGEPAGE = 14;
const SMALL_PAGE = 4096;

/** koffi and the C library; undefined where koffi has no prebuilt binary for this machine. */
export function foreign(): { koffi: typeof Koffi; library: ReturnType<typeof Koffi.load> } | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    return { koffi, library: koffi.load(null) };
  } catch {
    return undefined;
  }
}

function load(): Libc | undefined {
  const found = foreign();
  if (found === undefined) return undefined;
  const { koffi, library } = found;
  const exit = library.func('void _exit(int status)') as (status: number) => void;
  const recv = library.func('long recv(int fd, void *target, size_t length, int flags)') as SocketCall;
  const send = library.func('long send(int fd, const void *bytes, size_t length, int flags)') as SocketCall;
  const ioctl = library.func('int ioctl(int fd, unsigned long request, void *value)') as (
    fd: number,
    request: number,
    value: Int32Array,
  ) => number;
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  ) as (fd: number, level: number, name: number, value: Int32Array, length: number) => number;
  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int name, void *value, void *length)',
  ) as (fd: number, level: number, name: number, value: Int32Array, length: Uint32Array) => number;
  const getpeername = library.func('int getpeername(int fd, void *address, void *length)') as (
    fd: number,
    address: Uint8Array,
    length: Uint32Array,
  ) => number;
  const pipe2 = library.func('int pipe2(void *ends, int flags)') as (
    ends: Int32Array,
    flags: number,
  ) => number;
  // A file offset has 64 bits also where the machine's word has 32.
  const lseek = library.func(
    `int64_t ${WIDE_WORD ? 'lseek' : 'lseek64'}(int fd, int64_t offset, int whence)`,
  ) as (fd: number, offset: number, whence: number) => number | bigint;
  const madvise = library.func('int madvise(void *memory, size_t length, int advice)') as (
    memory: Uint8Array,
    length: number,
    advice: number,
  ) => number;
  // Returns the address that it is given: what it looks for is the first byte.
  const memchr = library.func('uintptr_t memchr(const void *memory, int byte, size_t length)') as (
    memory: Uint8Array,
    byte: number,
    length: number,
  ) => number | bigint;
  const toPage = (memory: ArrayBufferLike): number => {
    const first = new Uint8Array(memory, 0, 1);
    const past = Number(BigInt(memchr(first, first[0]!, 1)) % BigInt(SMALL_PAGE));
    return past === 0 ? 0 : SMALL_PAGE - past;
  };
  const poll = library.func('int poll(void *entries, unsigned long count, int timeout)');
  const value = new Int32Array(1);
  const count = (fd: number, request: number): number => {
    value[0] = 0;
    return ioctl(fd, request, value) < 0 ? 0 : value[0];
  };
  const orErrno = (result: number): number => (result < 0 ? -koffi.errno() : result);
  return {
    exit,
    receive: (fd, target) => orErrno(recv(fd, target, target.length, MSG_DONTWAIT)),
    send: (fd, bytes) => orErrno(send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL)),
    poll: (fd, events, milliseconds) => {
      const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: int fd, short events, short revents
      entry.setInt32(0, fd, LITTLE_ENDIAN);
      entry.setInt16(4, events, LITTLE_ENDIAN);
      return new Promise((resolve, reject) => {
        poll.async(new Uint8Array(entry.buffer), 1, milliseconds, (error: Error | null, ready: number) => {
          if (error) reject(error);
          else resolve(ready);
        });
      });
    },
    setOption: (fd, level, name, value) => orErrno(setsockopt(fd, level, name, Int32Array.of(value), 4)),
    peerProcess: (fd) => {
      const credentials = new Int32Array(3); // struct ucred: pid, uid, gid
      const failed = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, Uint32Array.of(12)) < 0;
      return failed ? 0 : credentials[0]!;
    },
    peerName: (fd) => {
      const address = Buffer.alloc(ADDRESS_BYTES);
      const length = Uint32Array.of(ADDRESS_BYTES);
      if (getpeername(fd, address, length) < 0) return '';
      const name = address.subarray(FAMILY_BYTES, length[0]);
      const end = name.indexOf(0);
      return name.subarray(0, end < 0 ? name.length : end).toString('utf8');
    },
    unsent: (fd) => count(fd, SIOCOUTQ),
    unread: (fd) => count(fd, FIONREAD),
    seek: (fd, offset, whence) => orErrno(Number(lseek(fd, offset, whence))),
    pipe: () => {
      const ends = new Int32Array(2);
      return pipe2(ends, O_CLOEXEC) < 0 ? undefined : [ends[0]!, ends[1]!];
    },
    toPage,
    largePages: (memory) => {
      const start = toPage(memory);
      const length = memory.byteLength - start;
      if (length > 0) madvise(new Uint8Array(memory, start), length - (length % SMALL_PAGE), MADV_HUGEPAGE);
    },
  };
}

type SocketCall = (fd: number, memory: Uint8Array, length: number, flags: number) => number;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

let loaded: { readonly calls: Libc | undefined } | undefined;

export function libc(): Libc | undefined {
  loaded ??= { calls: load() };
  return loaded.calls;
}
