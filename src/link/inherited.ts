// fd:N and -: what the process was started with. See descriptor.ts for what is promised to the others who use it.
// A pipe is opened anew through /proc: that gives a file description of our own, which may wait without a thread.

import fs from 'node:fs';
import { RamferryError } from '../errors.js';
import type { Channel } from '../io/bytes.js';
import { inputOpenError, outputOpenError } from '../io/system-error.js';
import { DescriptorSink, DescriptorSource, type DescriptorOptions } from './descriptor.js';
import { ioTimeoutOf, type OpenOptions } from './options.js';
import { socketLinkOfDescriptor } from './socket.js';

const ACCESS_MODE = 3;

/** O_RDONLY, O_WRONLY or O_RDWR. */
export function accessMode(fd: number): number {
  const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  return parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '2', 8) & ACCESS_MODE;
}

/** What Node puts in the place of a standard descriptor that was closed: the null device, opened for both directions. */
const NULL_DEVICE = 0x103;

/**
 * A standard descriptor that its starter has closed would read as an empty stream, and swallow one that is sent. A shell and
 * systemd open the null device one way only. Python's DEVNULL opens it both ways, as Node does, and nothing in /proc tells
 * these two apart: both are refused, and the message names both. An empty input is an error anyway; an output that is to be
 * discarded has an address that says so.
 * @throws RamferryError ERR_INPUT_OPEN or ERR_OUTPUT_OPEN
 */
function checkGiven(fd: 0 | 1, stats: fs.Stats): void {
  if (!stats.isCharacterDevice() || stats.rdev !== NULL_DEVICE || accessMode(fd) !== fs.constants.O_RDWR) {
    return;
  }
  const either = 'is closed, or is /dev/null opened for reading and writing';
  throw fd === 0
    ? new RamferryError('ERR_INPUT_OPEN', `cannot open -: standard input ${either}`, {
        hint: 'connect standard input to the program that writes the stream',
      })
    : new RamferryError('ERR_OUTPUT_OPEN', `cannot create -: standard output ${either}`, {
        hint: 'connect standard output to the program that reads the stream; to discard the output write file:/dev/null',
      });
}

/** Whether the descriptor was opened for this direction; reopening a pipe would silently give the other end. */
function checkDirection(fd: number, wanted: 'reading' | 'writing'): void {
  const mode = accessMode(fd);
  const other = wanted === 'reading' ? fs.constants.O_WRONLY : fs.constants.O_RDONLY;
  if (mode === other) throw new Error(`the descriptor is not open for ${wanted}`);
}

/** @returns a description of our own of the same pipe, or undefined when the system refuses (another user's pipe). */
function reopenPipe(fd: number, flags: number): number | undefined {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, flags | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function descriptorOptions(label: string, options: OpenOptions, socket: boolean): DescriptorOptions {
  // A local writer or reader may idle for as long as it likes; a socket may lead to another host.
  const ioTimeout = socket ? ioTimeoutOf(options) : 0;
  return { label, own: false, ioTimeout, signal: options.signal };
}

/** Rejects nothing, throws ERR_INPUT_OPEN. */
export function openInheritedInput(fd: number, label: string, options: OpenOptions): Channel {
  try {
    const stats = fs.fstatSync(fd);
    if (fd === 0) checkGiven(fd, stats);
    checkDirection(fd, 'reading');
    const how = descriptorOptions(label, options, stats.isSocket());
    if (stats.isFIFO()) {
      const own = reopenPipe(fd, fs.constants.O_RDONLY);
      if (own !== undefined) {
        return socketLinkOfDescriptor(own, { ...how, readable: true, writable: false, pipe: true });
      }
    }
    const source = new DescriptorSource(fd, how);
    return stats.isSocket()
      ? { source, sink: new DescriptorSink(fd, how), duplex: true }
      : { source, sink: undefined, duplex: false };
  } catch (thrown) {
    throw inputOpenError(label, thrown);
  }
}

/** Throws ERR_OUTPUT_OPEN. */
export function openInheritedOutput(fd: number, label: string, options: OpenOptions): Channel {
  try {
    const stats = fs.fstatSync(fd);
    if (fd === 1) checkGiven(fd, stats);
    checkDirection(fd, 'writing');
    const how = descriptorOptions(label, options, stats.isSocket());
    if (stats.isFIFO()) {
      const own = reopenPipe(fd, fs.constants.O_WRONLY);
      if (own !== undefined) {
        return socketLinkOfDescriptor(own, { ...how, readable: false, writable: true, pipe: true });
      }
    }
    const sink = new DescriptorSink(fd, how);
    return stats.isSocket()
      ? { source: new DescriptorSource(fd, how), sink, duplex: true }
      : { source: undefined, sink, duplex: false };
  } catch (thrown) {
    throw outputOpenError(label, thrown);
  }
}
