// Opens an address as a channel. All of ramferry's inputs and outputs are opened here.
// tcp and unix links and inherited sockets are duplex, as an input and as an output. All other channels have one direction.
// Modules load when an address of their kind is opened: module loading takes half of the time of a short transfer.

import type { Readable, Writable } from 'node:stream';
import type { Channel } from '../io/bytes.js';
import { abortError } from '../io/system-error.js';
import { formatAddress, type Address } from './address.js';
import type { OpenOptions } from './options.js';

/**
 * Opens `address` to read from. Resolves when the other end is connected; the channel has a source.
 * An abort of the signal also ends all pending operations of the open channel.
 * @throws ERR_INPUT_OPEN, ERR_LINK_CONNECT, ERR_LINK_LISTEN, ERR_LINK_TIMEOUT, or the signal's reason
 */
export function openInput(address: Address, options: OpenOptions = {}): Promise<Channel> {
  return open(address, options, 'input');
}

/**
 * Opens `address` to write to. The channel has a sink.
 * @throws the errors of {@link openInput}, with ERR_OUTPUT_OPEN or ERR_OUTPUT_EXISTS in the place of ERR_INPUT_OPEN
 */
export async function openOutput(address: Address, options: OpenOptions = {}): Promise<Channel> {
  const opened = await open(address, options, 'output');
  const channel = options.upgrade === undefined ? opened : await options.upgrade(opened);
  const { maxBandwidth = 0, rateBudget: limit = maxBandwidth } = options;
  if (limit === 0 || channel.sink === undefined) return channel;
  const { RateLimitedSink } = await import('./rate-limit.js');
  const sink = new RateLimitedSink(channel.sink, limit);
  return { source: channel.source, sink, duplex: channel.duplex, fd: channel.fd };
}

async function open(address: Address, options: OpenOptions, end: 'input' | 'output'): Promise<Channel> {
  const label = formatAddress(address);
  const reading = end === 'input';
  switch (address.kind) {
    case 'tcp':
    case 'unix':
      return (await load(import('./connect.js'), options)).connectTo(address, options);
    case 'tcp-listen':
    case 'unix-listen':
      return (await load(import('./listen/listen.js'), options)).listenOn(address, options);
    case 'fd':
    case 'stdio': {
      const { openInheritedInput, openInheritedOutput } = await load(import('./inherited.js'), options);
      const fd = address.kind === 'fd' ? address.fd : reading ? 0 : 1;
      return reading ? openInheritedInput(fd, label, options) : openInheritedOutput(fd, label, options);
    }
    case 'file': {
      const { openPathInput, openPathOutput } = await load(import('./path.js'), options);
      return reading
        ? openPathInput(address.path, label, options)
        : openPathOutput(address.path, label, options);
    }
    case 'exec': {
      const { openCommandInput, openCommandOutput } = await load(import('./command.js'), options);
      return reading
        ? openCommandInput(address.command, label, options)
        : openCommandOutput(address.command, label, options);
    }
    case 'stream': {
      const { readFrom, writeTo } = await load(import('./node-stream.js'), options);
      return reading
        ? readFrom(address.stream as Readable, options.signal)
        : writeTo(address.stream as Writable, options.signal);
    }
  }
}

/** Loads a module. @throws the signal's reason when the signal was aborted before or meanwhile */
async function load<Module>(loading: Promise<Module>, options: OpenOptions): Promise<Module> {
  const module = await loading;
  if (options.signal?.aborted === true) throw abortError(options.signal);
  return module;
}
