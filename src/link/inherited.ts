// fd:N and -: descriptors that the process inherited. descriptor.ts states how other processes that share them are protected.
// A pipe is reopened through /proc. That gives a separate file description, which can be non-blocking and needs no thread.

import fs from 'node:fs';
import { RamferryError } from '../errors.js';
import type { Channel } from '../io/bytes.js';
import { inputOpenError, outputOpenError } from '../io/system-error.js';
import { DescriptorSink, DescriptorSource, type DescriptorOptions } from './descriptor.js';
import { ioTimeoutOf, type OpenOptions } from './options.js';
import { socketLinkOfDescriptor } from './socket.js';

const ACCESS_MODE = 3;

/** The access mode of a descriptor: O_RDONLY, O_WRONLY or O_RDWR. */
export function accessMode(fd: number): number {
  const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  return parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '2', 8) & ACCESS_MODE;
}

/** Device number of /dev/null. Node opens it for both directions in the place of a closed standard descriptor. */
const NULL_DEVICE = 0x103;

/**
 * Refuses a standard descriptor that the parent process has closed: as an input it would be empty, and as an output it would
 * lose the stream. A shell and systemd open the null device for one direction only. Python's DEVNULL opens it for both, as Node
 * does, and /proc cannot distinguish the two. So both are refused, and the message names both. An empty input is an error in any
 * case; an output that discards the stream has the address file:/dev/null.
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

/** Throws unless the descriptor is open for this direction. Reopening a pipe would silently open its other end. */
function checkDirection(fd: number, wanted: 'reading' | 'writing'): void {
  const mode = accessMode(fd);
  const other = wanted === 'reading' ? fs.constants.O_WRONLY : fs.constants.O_RDONLY;
  if (mode === other) throw new Error(`the descriptor is not open for ${wanted}`);
}

/** @returns a new file description of the same pipe, or undefined when the system refuses (another user's pipe) */
function reopenPipe(fd: number, flags: number): number | undefined {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, flags | fs.constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function descriptorOptions(label: string, options: OpenOptions, socket: boolean): DescriptorOptions {
  // A local writer or reader may idle without limit. A socket may lead to another host.
  const ioTimeout = socket ? ioTimeoutOf(options) : 0;
  return { label, own: false, ioTimeout, signal: options.signal };
}

/** @throws ERR_INPUT_OPEN */
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

/** @throws ERR_OUTPUT_OPEN */
export function openInheritedOutput(fd: number, label: string, options: OpenOptions): Channel {
  try {
    const stats = fs.fstatSync(fd);
    if (fd === 1) checkGiven(fd, stats);
    checkDirection(fd, 'writing');
    const how = descriptorOptions(label, options, stats.isSocket());
    if (stats.isFIFO()) {
      const own = reopenPipe(fd, fs.constants.O_WRONLY);
      if (own !== undefined) {
        return socketLinkOfDescriptor(own, {
          ...how,
          readable: false,
          writable: true,
          pipe: true,
          pipeRoom: options.pipeRoom,
        });
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
