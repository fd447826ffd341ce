// A sink for a simulated guest's stream that writes to one file after the other.

import { closeSync, openSync, writeSync } from 'node:fs';

import type { ByteSink } from '../../src/io/bytes.js';

export interface FileSink extends ByteSink {
  /** Directs all further writes to this file. */
  next(path: string): void;
}

export function fileSink(path: string): FileSink {
  let fd = openSync(path, 'wx', 0o600);
  const close = (): Promise<void> => {
    closeSync(fd);
    return Promise.resolve();
  };
  return {
    label: path,
    write: (bytes) => {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
      return Promise.resolve();
    },
    next: (following) => {
      closeSync(fd);
      fd = openSync(following, 'wx', 0o600);
    },
    queued: () => 0,
    finish: close,
    abort: close,
  };
}
