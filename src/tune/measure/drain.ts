// A unix socket that takes everything and drops it, in place of a hypervisor. Used to measure what writing the restored bytes costs
// the receiver.

import { rmSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { makeScratch } from '../../io/file/scratch.js';

/** Listens until the process ends. @param onListening gets the address */
export function drain(onListening: (address: string) => void): Promise<void> {
  const directory = makeScratch('ramferry-drain-');
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'socket');
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.resume();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      onListening(`unix:${path}`);
      resolve();
    });
  });
}
