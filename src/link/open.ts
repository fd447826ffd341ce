// From an address to a channel: the one door between ramferry and the kernel.
// tcp and unix links, and inherited sockets, are duplex for input and output alike; everything else has one direction.
// What a kind of address needs is loaded when one is opened: half of a short transfer's time is loading modules.
import type { Readable, Writable } from 'node:stream';
import type { Channel } from '../io/bytes.js';
import { abortError } from '../io/system-error.js';
import { formatAddress, type Address } from './address.js';
import type { OpenOptions } from './options.js';

/**
 * Opens `address` to read from. Resolves when there is somebody at the other end; the channel has a source.
 * Rejects with ERR_INPUT_OPEN, ERR_LINK_CONNECT, ERR_LINK_LISTEN, ERR_LINK_TIMEOUT, or the signal's reason, which
 * also ends everything under way on the channel later.
 */
export async function openInput(address: Address, options: OpenOptions = {}): Promise<Channel> {
  const label = formatAddress(address);
  switch (address.kind) {
    case 'tcp':
    case 'unix':
      return (await load(import('./connect.js'), options)).connectTo(address, options);
    case 'tcp-listen':
    case 'unix-listen':
      return (await load(import('./listen.js'), options)).listenOn(address, options);
    case 'fd':
      return (await load(import('./inherited.js'), options)).openInheritedInput(address.fd, label, options);
    case 'stdio':
      return (await load(import('./inherited.js'), options)).openInheritedInput(0, label, options);
    case 'file':
      return (await load(import('./path.js'), options)).openPathInput(address.path, label, options);
    case 'exec':
      return (await load(import('./command.js'), options)).openCommandInput(address.command, label, options);
    case 'stream':
      return (await load(import('./node-stream.js'), options)).readFrom(
        address.stream as Readable,
        options.signal,
      );
  }
}

/** The module; and not another step when the signal has come, before or meanwhile. */
async function load<Module>(loading: Promise<Module>, options: OpenOptions): Promise<Module> {
  const module = await loading;
  if (options.signal?.aborted === true) throw abortError(options.signal);
  return module;
}

/**
 * Opens `address` to write to; the channel has a sink. Rejects as {@link openInput}, with ERR_OUTPUT_OPEN or
 * ERR_OUTPUT_EXISTS in the place of ERR_INPUT_OPEN.
 */
export async function openOutput(address: Address, options: OpenOptions = {}): Promise<Channel> {
  const channel = await openUnlimited(address, options);
  const { maxBandwidth = 0 } = options;
  if (maxBandwidth === 0 || channel.sink === undefined) return channel;
  const { RateLimitedSink } = await import('./rate-limit.js');
  const sink = new RateLimitedSink(channel.sink, maxBandwidth);
  return { source: channel.source, sink, duplex: channel.duplex, fd: channel.fd };
}

async function openUnlimited(address: Address, options: OpenOptions): Promise<Channel> {
  const label = formatAddress(address);
  switch (address.kind) {
    case 'tcp':
    case 'unix':
      return (await load(import('./connect.js'), options)).connectTo(address, options);
    case 'tcp-listen':
    case 'unix-listen':
      return (await load(import('./listen.js'), options)).listenOn(address, options);
    case 'fd':
      return (await load(import('./inherited.js'), options)).openInheritedOutput(address.fd, label, options);
    case 'stdio':
      return (await load(import('./inherited.js'), options)).openInheritedOutput(1, label, options);
    case 'file':
      return (await load(import('./path.js'), options)).openPathOutput(address.path, label, options);
    case 'exec':
      return (await load(import('./command.js'), options)).openCommandOutput(address.command, label, options);
    case 'stream':
      return (await load(import('./node-stream.js'), options)).writeTo(
        address.stream as Writable,
        options.signal,
      );
  }
}
