// The one place that looks behind net.Socket. Node has no public way to read a connection into given memory, to
// take over an accepted one, or to ask what is still unsent; `_handle` has carried all three since Node 0.10.

import net from 'node:net';
import { RamferryError } from '../errors.js';

export interface StreamHandle {
  readonly fd: number;
  /** Node's own note of whether it reads; it must agree with readStart and readStop. */
  reading: boolean;
  /** Bytes of the write under way that the kernel has not taken yet. */
  readonly writeQueueSize: number;
  readStart(): number;
  readStop(): number;
}

interface WithHandle {
  _handle: StreamHandle | null;
}

/** undefined once the socket has been destroyed. */
export function handleOf(socket: net.Socket): StreamHandle | undefined {
  return (socket as unknown as WithHandle)._handle ?? undefined;
}

/** Takes the connection out of a socket that has not read anything yet; the socket is dead afterwards. */
export function takeHandle(socket: net.Socket): StreamHandle {
  const handle = handleOf(socket);
  if (handle === undefined) throw new RamferryError('ERR_LINK_CLOSED', 'the connection is gone already');
  stopReading(handle);
  (socket as unknown as WithHandle)._handle = null;
  return handle;
}

export function startReading(handle: StreamHandle): void {
  if (handle.reading) return;
  handle.reading = true;
  handle.readStart();
}

export function stopReading(handle: StreamHandle): void {
  handle.reading = false;
  handle.readStop();
}
