// The options of a server, checked: addresses, patterns of sockets, and each transfer's share of the memory.

import { RamferryError } from '../errors.js';
import { type Address, isAbstract, parseAddress } from '../link/address.js';
import type { Place } from '../link/listen/binding.js';
import type { TlsSettings } from '../link/tls/settings.js';
import type { Exact } from '../options/exact.js';
import type { ServeOptions } from '../options/rows/serve.js';
import { resolveOptions } from '../options/schema.js';
import type { GivenFor, ValuesFor } from '../options/table.js';
import { listenSettings, type ListenSettings } from '../transfer/plan/listening.js';
import { sharedBytes } from '../transfer/plan/memory.js';
import { formatSize } from '../units.js';
import { listenerTls } from './security.js';
import { SocketPattern } from './socket-pattern.js';

export type { ServeOptions } from '../options/rows/serve.js';

true satisfies Exact<GivenFor<'serve'>, ServeOptions>;

export interface IncomingSettings {
  readonly pattern: SocketPattern<'unix'>;
  readonly listen: Place;
}

export interface OutgoingSettings {
  readonly pattern: SocketPattern<'unix-listen'>;
  /** The address of the receiver. */
  readonly connect: Extract<Address, { kind: 'tcp' | 'unix' }>;
}

export interface ServeSettings extends Omit<ValuesFor<'serve'>, 'incoming' | 'outgoing' | 'control'> {
  /** Guests that come; absent = none do. */
  readonly incoming: IncomingSettings | undefined;
  /** Guests that leave; absent = none do. */
  readonly outgoing: OutgoingSettings | undefined;
  /** Who may connect where the server listens. */
  readonly listening: ListenSettings;
  /** TLS of the connections that are accepted; undefined = bytes travel in the clear. */
  readonly listenerTls: TlsSettings | undefined;
  /** Path of the control socket. */
  readonly control: string | undefined;
  /** Bytes that one transfer may count with: its share, and what all share. */
  readonly transferMemory: number;
}

/** @throws ERR_OPTION_INVALID, ERR_LINK_ADDRESS, ERR_MEMORY_LIMIT, ERR_TLS_CREDENTIALS */
export function resolveServeOptions(options: ServeOptions): ServeSettings {
  const values = resolveOptions<'serve', object>('serve', [], options);
  const incoming = resolveIncoming(values);
  const outgoing = resolveOutgoing(values);
  if (incoming === undefined && outgoing === undefined) {
    throw new RamferryError('ERR_OPTION_INVALID', 'incoming: there is nothing to serve', {
      hint: 'give --incoming and --listen for guests that come, --outgoing and --connect for guests that leave',
    });
  }
  checkShards(values);
  const directions = incoming === undefined || outgoing === undefined ? 1 : 2;
  return {
    ...values,
    incoming,
    outgoing,
    listening: listenSettings(values, places(incoming, outgoing)),
    listenerTls: listenerTls(values, { listen: incoming?.listen, connect: outgoing?.connect }),
    control: values.control === undefined ? undefined : socketPath('control', values.control),
    transferMemory: transferMemory(values, directions * values.maxTransfers),
  };
}

type Values = ValuesFor<'serve'>;

function checkShards({ shards, threads }: Values): void {
  if (shards <= threads) return;
  throw new RamferryError('ERR_OPTION_INVALID', `shards: ${shards} shards cannot share ${threads} threads`, {
    hint: 'give each shard a thread at least: --threads',
  });
}

/** Where the server listens; one guest's socket stands for those of all. */
function places(incoming: IncomingSettings | undefined, outgoing: OutgoingSettings | undefined): Place[] {
  return [
    ...(incoming === undefined ? [] : [incoming.listen]),
    ...(outgoing === undefined ? [] : [outgoing.pattern.address('name')]),
  ];
}

function resolveIncoming({ incoming, listen }: Values): IncomingSettings | undefined {
  if (incoming === undefined && listen === undefined) return undefined;
  if (incoming === undefined || listen === undefined) throw needsBoth('incoming', 'listen');
  return { pattern: new SocketPattern('incoming', incoming, 'unix'), listen: listenPlace(listen) };
}

function resolveOutgoing({ outgoing, connect, guest }: Values): OutgoingSettings | undefined {
  if (outgoing === undefined && connect === undefined) {
    if (guest.length > 0) throw needsBoth('guest', 'outgoing');
    return undefined;
  }
  if (outgoing === undefined || connect === undefined) throw needsBoth('outgoing', 'connect');
  const address = parseAddress(connect);
  if (address.kind !== 'tcp' && address.kind !== 'unix') {
    throw new RamferryError('ERR_OPTION_INVALID', `connect: '${connect}' is no address to connect to`, {
      hint: 'write tcp:HOST:PORT or unix:PATH',
    });
  }
  return { pattern: new SocketPattern('outgoing', outgoing, 'unix-listen'), connect: address };
}

function needsBoth(one: string, other: string): RamferryError {
  return new RamferryError('ERR_OPTION_INVALID', `${one}: it needs --${other}, too`, {
    hint: 'incoming guests need --incoming and --listen, outgoing guests --outgoing and --connect',
  });
}

/** `tcp:` and `unix:` name the place at which this side listens. */
function listenPlace(text: string): Place {
  const address: Address = parseAddress(text);
  if (address.kind === 'tcp') return { ...address, kind: 'tcp-listen' };
  if (address.kind === 'unix') return { ...address, kind: 'unix-listen' };
  if (address.kind === 'tcp-listen' || address.kind === 'unix-listen') return address;
  throw new RamferryError('ERR_OPTION_INVALID', `listen: '${text}' is no address that listens`, {
    hint: 'write tcp:HOST:PORT or unix:PATH',
  });
}

/** `unix:PATH` or a path, as a path. @throws ERR_OPTION_INVALID */
export function socketPath(option: string, text: string): string {
  const address = parseAddress(text);
  const { kind } = address;
  // An abstract socket has no permissions: every process of the host could command the server.
  if (kind === 'file' || ((kind === 'unix' || kind === 'unix-listen') && !isAbstract(address.path)))
    return address.path;
  throw new RamferryError('ERR_OPTION_INVALID', `${option}: '${text}' is not the path of a unix socket`, {
    hint: `write --${option} unix:PATH`,
  });
}

/** The memory limit with which each transfer is planned. All plans count the process and its threads, which exist once. */
function transferMemory({ memoryLimit, threads }: Values, transfers: number): number {
  const once = sharedBytes(threads);
  const share = Math.floor((memoryLimit - once) / transfers);
  if (share <= 0) {
    throw new RamferryError(
      'ERR_MEMORY_LIMIT',
      `a server with ${threads} threads takes ${formatSize(once)}, the memory limit is ${formatSize(memoryLimit)}`,
      { hint: 'use a larger --memory-limit or fewer --threads' },
    );
  }
  return once + share;
}
