// Opens paths as inputs and outputs: regular files, FIFOs, devices. The path of a socket is refused: its address is unix:PATH.

import fs from 'node:fs';
import { RamferryError } from '../errors.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { FileInput } from '../io/file/input.js';
import { FileOutput } from '../io/file/output.js';
import { outputExistsError } from '../io/file/publish.js';
import { abortError, inputOpenError, outputOpenError, systemCode } from '../io/system-error.js';
import { DEFAULT_CONNECT_TIMEOUT_MS, type OpenOptions } from './options.js';
import { retryUntil } from './retry.js';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;

function only(end: { source: ByteSource } | { sink: ByteSink }): Channel {
  return { source: undefined, sink: undefined, ...end, duplex: false };
}

/** @throws ERR_INPUT_OPEN */
export async function openPathInput(path: string, label: string, options: OpenOptions): Promise<Channel> {
  const { signal } = options;
  try {
    const stats = fs.statSync(path);
    if (stats.isDirectory()) throw new Error('it is a directory');
    if (stats.isSocket()) throw socketError('ERR_INPUT_OPEN', label, path);
    if (stats.isFIFO()) {
      const { socketLinkOfDescriptor } = await import('./socket.js');
      // With O_NONBLOCK the open does not wait for a writer. The reads do.
      const fd = fs.openSync(path, O_RDONLY | O_NONBLOCK);
      return socketLinkOfDescriptor(fd, {
        label,
        readable: true,
        writable: false,
        pipe: true,
        ioTimeout: 0,
        signal,
      });
    }
    if (stats.isFile()) {
      const { directIo, onWarning } = options;
      return only({ source: new FileInput(path, { label, directIo, onWarning, signal }) });
    }
    const { DescriptorSource } = await import('./descriptor.js');
    const fd = fs.openSync(path, O_RDONLY);
    return only({ source: new DescriptorSource(fd, { label, own: true, ioTimeout: 0, signal }) });
  } catch (thrown) {
    throw inputOpenError(label, thrown);
  }
}

/** @throws ERR_OUTPUT_EXISTS, ERR_OUTPUT_OPEN */
export async function openPathOutput(path: string, label: string, options: OpenOptions): Promise<Channel> {
  const { signal } = options;
  let stats: fs.Stats | undefined;
  try {
    stats = fs.statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) throw new Error('it is a directory');
    if (stats?.isSocket() === true) throw socketError('ERR_OUTPUT_OPEN', label, path);
    if (stats !== undefined && !stats.isFile() && options.resume === true) throw notResumable(label);
    if (stats?.isFIFO() === true) {
      const { socketLinkOfDescriptor } = await import('./socket.js');
      const fd = await openFifoForWriting(path, options);
      return socketLinkOfDescriptor(fd, {
        label,
        readable: false,
        writable: true,
        pipe: true,
        pipeRoom: options.pipeRoom,
        ioTimeout: 0,
        signal,
      });
    }
    if (stats !== undefined && !stats.isFile()) {
      const { DescriptorSink } = await import('./descriptor.js');
      if (options.directIo === true) {
        options.onWarning?.(`direct I/O is only for regular files: ${label} is written as it is`);
      }
      const fd = fs.openSync(path, O_WRONLY);
      return only({ sink: new DescriptorSink(fd, { label, own: true, ioTimeout: 0, signal }) });
    }
  } catch (thrown) {
    throw outputOpenError(label, thrown);
  }
  if (stats !== undefined && options.force !== true) throw outputExistsError(label);
  const { force, sync, directIo, onWarning } = options;
  if (options.resume === true) {
    const { PartialOutput } = await import('../io/file/partial-output.js');
    return only({ sink: await PartialOutput.open(path, { label, force, sync, onWarning, signal }) });
  }
  return only({ sink: new FileOutput(path, { label, force, sync, directIo, onWarning, signal }) });
}

/** Repeats a non-blocking open until the FIFO has a reader. A blocking open would hold a thread until then. */
function openFifoForWriting(path: string, options: OpenOptions): Promise<number> {
  return retryUntil(
    options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS,
    options.signal,
    () => Promise.resolve(fs.openSync(path, O_WRONLY | O_NONBLOCK)),
    (thrown) => systemCode(thrown) === 'ENXIO',
  ).catch((thrown: unknown) => {
    if (options.signal?.aborted === true) throw abortError(options.signal);
    if (systemCode(thrown) === 'ENXIO') throw new Error('no process reads from it', { cause: thrown });
    throw thrown;
  });
}

function notResumable(label: string): RamferryError {
  return new RamferryError('ERR_OPTION_INVALID', `resume: ${label} is no regular file`, {
    hint: 'a program behind the output has what it has read: leave --resume out',
  });
}

function socketError(code: 'ERR_INPUT_OPEN' | 'ERR_OUTPUT_OPEN', label: string, path: string): RamferryError {
  return new RamferryError(code, `${label} is a socket, not a file`, {
    hint: `connect to it with unix:${path}`,
  });
}
