// What a transfer of several connections needs of its options: addresses at which connections can be accepted and made, and the memory of each.

import { RamferryError } from '../errors.js';
import { type Address, addressOf } from '../link/address.js';
import type { Place } from '../link/listen/binding.js';
import { DEFAULT_CHUNK_BYTES } from '../options/limits.js';
import type { ReceiveOptions, SendOptions } from '../options/transfer.js';
import {
  type ResolvedReceiveOptions,
  type ResolvedSendOptions,
  resolveReceiveOptions,
  resolveSendOptions,
} from '../options/transfer.js';
import { chooseCoding } from '../transfer/plan/coding.js';
import { sharedBytes } from '../transfer/plan/memory.js';
import { planRestore } from '../transfer/plan/receive-plan.js';
import { formatSize, MIB } from '../units.js';

/** Memory of a further connection: slots for chunks of 1 MiB, and each thread's buffers for them. */
const FURTHER_BYTES = 4 * MIB;
const FURTHER_BYTES_PER_THREAD = 6 * MIB;

/** An address to which several connections can be made. */
export type Target = Extract<Address, { kind: 'tcp' | 'unix' }>;

/** Bytes that plans count with. Each counts the process, its threads and their codecs, which exist once. */
export interface MemoryShares {
  /** The first connection, which may have a page store. */
  readonly main: number;
  /** Each further one. */
  readonly further: number;
  /** Slots and page stores of all. */
  readonly all: number;
}

export interface ChannelEnds {
  readonly listen: Place;
  readonly connect: Target;
}

export interface SendChannelSettings extends ChannelEnds {
  readonly values: ResolvedSendOptions;
  readonly memory: MemoryShares;
}

export interface ReceiveChannelSettings extends ChannelEnds {
  readonly values: ResolvedReceiveOptions;
  readonly memory: MemoryShares;
}

/** @throws ERR_OPTION_INVALID, ERR_LINK_ADDRESS, ERR_MEMORY_LIMIT */
export function sendChannelSettings(options: SendOptions): SendChannelSettings {
  const values = resolveSendOptions(options);
  const { compressThreads: threads, format } = values;
  if (format !== 'auto' && format !== 'qemu')
    throw invalid(`a stream of format ${format} has one connection`, 'leave --format out');
  refuseOthers(values);
  const { codecBytes } = chooseCoding(values).coding;
  return {
    ...ends(values),
    values,
    memory: shares(values, { threads, codecBytes }, options.memoryLimit !== undefined),
  };
}

/** @throws as {@link sendChannelSettings} */
export function receiveChannelSettings(options: ReceiveOptions): ReceiveChannelSettings {
  const values = resolveReceiveOptions(options);
  const { decompressThreads: threads } = values;
  refuseOthers(values);
  const codecBytes = planRestore(values).codecBytes(DEFAULT_CHUNK_BYTES);
  return {
    ...ends(values),
    values,
    memory: shares(values, { threads, codecBytes }, options.memoryLimit !== undefined),
  };
}

function ends({
  input,
  output,
}: Pick<ResolvedSendOptions | ResolvedReceiveOptions, 'input' | 'output'>): ChannelEnds {
  const listen = addressOf(input);
  const connect = addressOf(output);
  if (listen.kind !== 'tcp-listen' && listen.kind !== 'unix-listen') {
    throw invalid('the input must listen', 'write unix-listen:PATH or tcp-listen:[HOST:]PORT');
  }
  if (connect.kind !== 'tcp' && connect.kind !== 'unix') {
    throw invalid('the output must be an address to connect to', 'write tcp:HOST:PORT or unix:PATH');
  }
  return { listen, connect };
}

function refuseOthers({
  connections,
  reconnect,
  oneWay,
}: Pick<ResolvedSendOptions | ResolvedReceiveOptions, 'connections' | 'reconnect' | 'oneWay'>): void {
  if (oneWay) throw invalid('a link in one direction has one connection', 'leave --one-way out');
  if (reconnect > 0) throw invalid('a link of several connections is not mended', 'leave --reconnect out');
  if (connections > 1) {
    throw invalid('each has one connection on the link', 'leave --connections out');
  }
}

function shares(
  { memoryLimit, hypervisorConnections }: Pick<ResolvedSendOptions, 'memoryLimit' | 'hypervisorConnections'>,
  { threads, codecBytes }: { readonly threads: number; readonly codecBytes: number },
  isGiven: boolean,
): MemoryShares {
  const connections = hypervisorConnections - 1;
  const each = FURTHER_BYTES + threads * FURTHER_BYTES_PER_THREAD;
  const limit = isGiven ? memoryLimit : memoryLimit + connections * each;
  const once = sharedBytes(threads) + threads * codecBytes;
  const all = limit - once;
  if (all <= 0) {
    throw new RamferryError(
      'ERR_MEMORY_LIMIT',
      `${threads} threads take ${formatSize(once)}, the memory limit is ${formatSize(limit)}`,
      { hint: 'use a larger --memory-limit or fewer threads' },
    );
  }
  const further = Math.min(each, Math.floor(all / 2 / connections));
  return { main: once + all - connections * further, further: once + further, all };
}

function invalid(why: string, hint: string): RamferryError {
  return new RamferryError('ERR_OPTION_INVALID', `hypervisorConnections: ${why}`, { hint });
}
