// What a plan needs to know of the two ends before they are open: facts that follow from an address and, for names and
// descriptors, from what lies behind them. Looks, opens nothing.

import fs from 'node:fs';

import { type Address, addressOf } from '../../link/address.js';
import { libc } from '../../os/libc.js';

export interface OutputFacts {
  /** A reader takes the bytes as they come; false for a regular file, which is the same every time it is made. */
  readonly isLive: boolean;
  /** What the kernel holds of the output tells how far the link has come. */
  readonly queueTells: boolean;
}

/** @param maxBandwidth behind a rate limit of our own the kernel's queue says nothing about the link */
export function outputFacts(output: Parameters<typeof addressOf>[0], maxBandwidth: number): OutputFacts {
  const address = addressOf(output);
  const isLive = isLiveOutput(address);
  return {
    isLive,
    // Asked where the transfer adapts: libc() loads machine code.
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
    return false; // opening it will say what is wrong
  }
}

/**
 * Whether all of the input is ramferry's to read: a file, a named pipe or a command that it opened itself. What was inherited,
 * or belongs to a program that embeds ramferry, is read exactly to the END of a bare libxc stream, and so is a socket, whose
 * writer may wait there.
 */
export function isReadToItsEnd(input: Parameters<typeof addressOf>[0]): boolean {
  const address = addressOf(input);
  if (address.kind === 'exec') return true;
  // These names open what was inherited once more, and a pipe has one content for all.
  return address.kind === 'file' && !/^\/(dev\/(stdin|fd\/)|proc\/)/.test(address.path);
}
