// `listenPrivately`: listens on a unix socket that only its owner may connect to, or a group, without process.umask(), which affects the
// whole process and is refused in worker threads. The socket is created in a new directory of mode 0700, gets its mode there, and then its
// final name. So under that name it never has wider permissions, and it listens as soon as the name exists.

import fs from 'node:fs';
import type net from 'node:net';
import os from 'node:os';
import { dirname, join } from 'node:path';

import { systemError } from './system-error.js';

/** sockaddr_un has room for 108 bytes, the last of which is 0 (unix(7)). */
export const UNIX_PATH_LIMIT = 107;

/** Who may connect to a socket. */
export interface SocketAccess {
  /** Permissions: who may write may connect. */
  readonly mode: number;
  /** Group of the socket; undefined = the process's. */
  readonly gid: number | undefined;
}

export const OWNER_ONLY: SocketAccess = { mode: 0o600, gid: undefined };
/** chown(2): the owner stays. */
const SAME = -1;

/**
 * Makes the server listen on `path`.
 * @returns a function that removes the name, to be called after the server was closed. Undefined when the server could not be bound:
 *   its 'error' event follows, as after `server.listen()`.
 * @throws the system's error; EADDRINUSE when the name exists
 */
export function listenPrivately(
  server: net.Server,
  path: string,
  { mode, gid } = OWNER_ONLY,
): (() => void) | undefined {
  refuseTaken(path);
  const directory = fs.mkdtempSync(join(dirname(path), '.ramferry-'));
  // Node.js removes the first name when the server closes. The name is random, so that no other file is removed when another directory
  // has the path by then.
  // Loaded here: programs that only import this module need no 7 ms for it.
  const name = process.getBuiltinModule('node:crypto').randomBytes(8).toString('hex');
  const first = join(directory, name);
  const opened = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    const short = Buffer.byteLength(first) <= UNIX_PATH_LIMIT ? first : `/proc/self/fd/${opened}/${name}`;
    // Node.js binds before listen() returns. `exclusive`: a worker of a cluster binds itself, too.
    server.listen({ path: short, exclusive: true });
    if (!server.listening) return undefined;
    if (gid !== undefined) fs.chownSync(first, SAME, gid);
    fs.chmodSync(first, mode);
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

/** Removes the name only if it still belongs to this socket. */
function removeOwn(path: string, { dev, ino }: fs.Stats): void {
  const now = fs.lstatSync(path, { throwIfNoEntry: false });
  if (now?.dev === dev && now.ino === ino) fs.rmSync(path, { force: true });
}

/** Checked first, because bind(2) reports an existing name before it reports a directory without write permission. */
function refuseTaken(path: string): void {
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw taken();
}

function isTaken(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException | undefined)?.code === 'EEXIST';
}

function taken(): Error {
  return systemError(os.constants.errno.EADDRINUSE, 'listen');
}
