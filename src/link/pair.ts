// `socketPair`: two ends of a local connection that has read nothing, to give each to another process. The listener between them lives for this one
// connection, in a directory that only this user can enter.

import { once } from 'node:events';
import fs from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';

/** @returns both ends. Their reading has not begun. @throws when the host has no descriptor or no directory for it */
export async function socketPair(): Promise<[net.Socket, net.Socket]> {
  const directory = await fs.mkdtemp(join(os.tmpdir(), 'ramferry-'));
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  // A paused socket does not begin to read when it is connected.
  const near = new net.Socket({ allowHalfOpen: true }).pause();
  try {
    const path = join(directory, 'pair');
    server.listen(path);
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    near.connect({ path });
    const [[far]] = await Promise.all([accepted, once(near, 'connect')]);
    return [near, far];
  } catch (thrown) {
    near.destroy();
    throw thrown;
  } finally {
    server.close();
    await fs.rm(directory, { recursive: true, force: true });
  }
}
