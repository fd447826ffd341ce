// Listening on a unix socket that only its owner may connect to, without process.umask(): that setting belongs to the whole process,
// and Node refuses it in worker threads. The socket is made in a new directory of mode 0700, gets mode 0600 there, and only then
// its name. So it never exists under its name with wider permissions, and it listens from the moment at which the name appears.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type net from 'node:net';
import os from 'node:os';
import { dirname, join } from 'node:path';

import { systemError } from './system-error.js';

/** sockaddr_un has room for 108 bytes, the last of which is 0 (unix(7)). */
export const UNIX_PATH_LIMIT = 107;

const OWNER_ONLY = 0o600;

/**
 * Has the server listen on `path`.
 * @returns removes the name; the caller calls it after it has closed the server. Undefined where the server could not be bound: its
 *   'error' event follows, as after `server.listen()`.
 * @throws what the system says; EADDRINUSE where the name is taken
 */
export function listenPrivately(server: net.Server, path: string): (() => void) | undefined {
  refuseTaken(path);
  const directory = fs.mkdtempSync(join(dirname(path), '.ramferry-'));
  // Node removes the first name when the server closes. No other file has this name, whatever the directory's name then means.
  const name = randomBytes(8).toString('hex');
  const first = join(directory, name);
  const opened = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    const short = Buffer.byteLength(first) <= UNIX_PATH_LIMIT ? first : `/proc/self/fd/${opened}/${name}`;
    // Node binds before listen() returns. `exclusive`: a cluster's worker binds by itself, too.
    server.listen({ path: short, exclusive: true });
    if (!server.listening) return undefined;
    fs.chmodSync(first, OWNER_ONLY);
    // Unlike rename(2), link(2) replaces nothing.
    fs.linkSync(first, path);
    const own = fs.lstatSync(path);
    return () => removeOwn(path, own);
  } catch (thrown) {
    if (server.listening) server.close();
    throw isTaken(thrown) ? taken() : thrown;
  } finally {
    fs.closeSync(opened);
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** The name may belong to another socket by now. */
function removeOwn(path: string, { dev, ino }: fs.Stats): void {
  const now = fs.lstatSync(path, { throwIfNoEntry: false });
  if (now?.dev === dev && now.ino === ino) fs.rmSync(path, { force: true });
}

/** bind(2) names the taken name before it names a directory that cannot be written to. */
function refuseTaken(path: string): void {
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw taken();
}

function isTaken(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException | undefined)?.code === 'EEXIST';
}

function taken(): Error {
  return systemError(os.constants.errno.EADDRINUSE, 'listen');
}
