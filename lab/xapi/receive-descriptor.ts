// Reads a unix socket together with the descriptors that come with the bytes (SCM_RIGHTS), which Node.js cannot do.

import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
koffi.struct('iovec', { base: 'void *', length: 'size_t' });
koffi.struct('msghdr', {
  name: 'void *',
  nameLength: 'uint32_t',
  parts: 'iovec *',
  partCount: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});
const recvmsg = koffi.load(null).func('int64_t recvmsg(int fd, msghdr *message, int flags)') as (
  fd: number,
  message: object,
  flags: number,
) => number;

// Linux: bits/socket.h, asm-generic/errno.h, cmsg(3) of 64-bit machines.
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const EAGAIN = 11;
const SCM_RIGHTS = 1;
const CONTROL_BYTES = 24;
const AT = { type: 12, descriptor: 16 } as const;

export interface Received {
  readonly bytes: Buffer;
  readonly descriptor: number | undefined;
}

/** @returns undefined where nothing has come; no bytes at the end of the socket, or where it has failed */
export function receiveDescriptor(fd: number): Received | undefined {
  const data = Buffer.alloc(4096);
  const control = Buffer.alloc(CONTROL_BYTES);
  const message = {
    name: null,
    nameLength: 0,
    parts: [{ base: data, length: data.length }],
    partCount: 1,
    control,
    controlLength: CONTROL_BYTES,
    flags: 0,
  };
  const got = recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && koffi.errno() === EAGAIN) return undefined;
  const carries = control.readInt32LE(AT.type) === SCM_RIGHTS;
  return {
    bytes: data.subarray(0, Math.max(0, got)),
    descriptor: carries ? control.readInt32LE(AT.descriptor) : undefined,
  };
}
