// The only module that uses the private `_handle` of net.Socket and its private symbols. Node has no public way to read a connection into
// given memory, to take over or hand on an accepted one, or to ask for its unsent bytes. `_handle` has offered all of it since Node 0.10.

import type { ChildProcess, SendHandle } from 'node:child_process';
import net from 'node:net';

import { RamferryError } from '../errors.js';

export interface StreamHandle {
  readonly fd: number;
  /** Node's own state of reading. It must agree with the calls of readStart and readStop. */
  reading: boolean;
  /** Bytes of the pending write that the kernel has not accepted. */
  readonly writeQueueSize: number;
  readStart(): number;
  readStop(): number;
}

interface WithHandle {
  _handle: StreamHandle | null;
}

/** The socket's handle; undefined when the socket has been destroyed. */
export function handleOf(socket: net.Socket): StreamHandle | undefined {
  return (socket as unknown as WithHandle)._handle ?? undefined;
}

/** Takes the connection out of a socket that has not read anything. The socket is unusable afterwards. */
export function takeHandle(socket: net.Socket): StreamHandle {
  const handle = handleOf(socket);
  if (handle === undefined) throw new RamferryError('ERR_LINK_CLOSED', 'the connection is gone already');
  stopReading(handle);
  (socket as unknown as WithHandle)._handle = null;
  return handle;
}

/**
 * Gives an accepted connection that has read nothing to another process of ours. Node would begin to read a net.Socket there at once,
 * so the bare handle goes. The copy of this process may be destroyed once `onGone` was called, or when the other process is gone.
 */
export function handOver(socket: net.Socket, child: ChildProcess, message: object, onGone: () => void): void {
  const handle = handleOf(socket);
  if (handle !== undefined && child.connected) child.send(message, handle as unknown as SendHandle, onGone);
  else onGone();
}

/** The connection that another process of ours has given. Its reading has not begun. */
export function handedOver(handle: unknown): net.Socket {
  const options = { handle, allowHalfOpen: true, pauseOnCreate: true };
  return new net.Socket(options);
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

interface UserBuffer {
  useUserBuffer?(buffer: Uint8Array): void;
}

/**
 * Lets Node read a connection into this buffer instead of a new one for each read. Public options do the same for sockets that connect
 * by themselves (`onread`), but not for a TLS socket over an accepted connection.
 * @param onBytes called with the number of bytes at the buffer's start, which are valid during the call
 * @returns false where this Node has no such fields; nothing has changed then
 */
export function readInto(socket: net.Socket, buffer: Uint8Array, onBytes: (count: number) => void): boolean {
  const symbols = Object.getOwnPropertySymbols(socket);
  const [kBuffer, kCallback] = ['kBuffer', 'kBufferCb'].map((name) =>
    symbols.find(({ description }) => description === name),
  );
  const handle = handleOf(socket) as (StreamHandle & UserBuffer) | undefined;
  if (kBuffer === undefined || kCallback === undefined || handle?.useUserBuffer === undefined) return false;
  handle.useUserBuffer(buffer);
  Object.assign(socket, {
    [kBuffer]: buffer,
    [kCallback]: (count: number): boolean => {
      onBytes(count);
      return true;
    },
  });
  return true;
}

interface Wrapping {
  /** Node's TLS handle keeps the connection's own here. */
  readonly _parent?: StreamHandle;
}

/** Bytes of pending writes that the kernel has not accepted, on the connection under a TLS socket: they are encrypted. */
export function unacceptedBelow(socket: net.Socket): number {
  const handle = handleOf(socket) as (StreamHandle & Wrapping) | undefined;
  return handle?._parent?.writeQueueSize ?? 0;
}
