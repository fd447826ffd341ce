// What a plan needs to know about input and output before they are open. The facts follow from the address and, for file names
// and descriptors, from stat(2). Opens nothing.

import fs from 'node:fs';

import { type Address, addressOf } from '../../link/address.js';
import { libc } from '../../os/libc.js';

export interface OutputFacts {
  /** A reader takes the bytes as they arrive. False for a regular file, which must have the same bytes every time. */
  readonly isLive: boolean;
  /** The length of the kernel's send queue shows how much the link has carried. */
  readonly queueTells: boolean;
}

/** @param maxBandwidth bytes per second; with ramferry's own rate limit the kernel's send queue says nothing about the link */
export function outputFacts(output: Parameters<typeof addressOf>[0], maxBandwidth: number): OutputFacts {
  const address = addressOf(output);
  const isLive = isLiveOutput(address);
  return {
    isLive,
    // A getter, because libc() loads machine code and only adaptive mode needs the answer.
    get queueTells() {
      return isLive && maxBandwidth === 0 && address.kind !== 'stream' && libc() !== undefined;
    },
  };
}

function isLiveOutput(address: Address): boolean {
  const flows = (stats: fs.Stats | undefined): boolean =>
    stats !== undefined && (stats.isFIFO() || stats.isSocket());
  try {
    switch (address.kind) {
      case 'file':
        return flows(fs.statSync(address.path, { throwIfNoEntry: false }));
      case 'stdio':
        return flows(fs.fstatSync(1));
      case 'fd':
        return flows(fs.fstatSync(address.fd));
      default:
        return true;
    }
  } catch {
    return false; // opening it reports the error
  }
}

/**
 * Whether ramferry may read the input to its end. True for a file, a named pipe or a command that ramferry opens itself. An inherited
 * descriptor, a stream of an embedding program and a socket are read exactly to the END of a bare libxc stream. Another program may
 * read on behind END, and the writer on a socket may wait there.
 */
export function isReadToItsEnd(input: Parameters<typeof addressOf>[0]): boolean {
  const address = addressOf(input);
  if (address.kind === 'exec') return true;
  // These paths reopen an inherited descriptor, and all descriptors of a pipe share one content.
  return address.kind === 'file' && !/^\/(dev\/(stdin|fd\/)|proc\/)/.test(address.path);
}
