// Keeps a tcp connection's send buffer short: what lies there unsent when the guest is paused is downtime.
// TCP_NOTSENT_LOWAT makes the kernel take new bytes only while less than this much waits to be sent for the first time;
// what is in flight on the network does not count, so it costs no throughput.

import { libc } from '../os/libc.js';
import type { StreamHandle } from './handle.js';

/** linux/in.h and linux/tcp.h, the same on all architectures. */
const IPPROTO_TCP = 6;
const TCP_NOTSENT_LOWAT = 25;

/** 10 ms of a link of 100 Mbit/s; a fast link drains it long before the next write. */
const UNSENT_BYTES = 131_072;

/** Does nothing where system calls cannot be made. */
export function boundUnsent(handle: StreamHandle | undefined): void {
  if (handle !== undefined) libc()?.setOption(handle.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
}
