// Keeps a tcp connection's send buffer short, because bytes that are unsent when the guest is paused add to the downtime.
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
