// The send buffers of connections. Keeps that of a tcp connection short, because bytes that are unsent when the guest is paused add to the downtime.
// With TCP_NOTSENT_LOWAT the kernel accepts new bytes only while fewer than this many have never been sent. Bytes in flight do
// not count, so the limit costs no throughput.

import { libc } from '../os/libc.js';
import type { StreamHandle } from './handle.js';

/** linux/in.h and linux/tcp.h, the same on all architectures. */
const IPPROTO_TCP = 6;
const TCP_NOTSENT_LOWAT = 25;

/** 10 ms at 100 Mbit/s. A fast link sends it long before the next write. */
const UNSENT_BYTES = 131_072;

/** Sets the limit on a connection. Does nothing where ramferry cannot make system calls (no koffi). */
export function boundUnsent(handle: StreamHandle | undefined): void {
  if (handle !== undefined) libc()?.setOption(handle.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
}

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;

/**
 * Send buffer of a unix connection between the two commands. The kernel doubles it for its own bookkeeping, and then it holds a chunk of
 * the default size. With 768 MiB through codec `none` the sender wrote 1,705 times instead of 3,937, and the receiver read 2,508 times
 * instead of 9,022. The bytes in it are in flight, so the delivery window counts them.
 */
export const CHUNK_BUFFER_BYTES = 524_288;

/** Sets the send buffer of a unix connection. The kernel allows no more than net.core.wmem_max. */
export function setSendBuffer(handle: StreamHandle | undefined, bytes: number): void {
  if (handle !== undefined) libc()?.setOption(handle.fd, SOL_SOCKET, SO_SNDBUF, bytes);
}
