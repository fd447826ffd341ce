// Settings as options of the command line, ready to paste. Pure.

import { bindingInfo } from '../../codec/registry.js';
import { recordCapacity } from '../../chunk/encode.js';
import { receiverFit, senderFit } from '../../transfer/plan/memory.js';
import { DEFAULT_MEMORY_LIMIT } from '../../options/limits.js';
import { defaultStore } from '../../transfer/plan/store-size.js';
import { formatSize, MIB } from '../../units.js';
import type { Settings } from './recommend.js';

type Side = 'send' | 'receive';

/** Step between memory limits beyond the default. */
const STEP = 64 * MIB;

/**
 * Options ready to paste.
 * @param identities the pages of the stream may come again: both sides keep a page store
 */
export function flagsFor(settings: Settings, identities: boolean): { send: string; receive: string } {
  const { send, receive } = flagList(settings, identities);
  return { send: send.join(' '), receive: receive.join(' ') };
}

/** The same, each word alone. */
export function flagList(settings: Settings, identities: boolean): { send: string[]; receive: string[] } {
  const { codec, level, chunkSize, threads } = settings;
  return {
    send: [
      ...['--codec', codec],
      ...(codec === 'none' ? [] : ['--compress-level', String(level)]),
      ...['--compress-threads', String(threads.compress)],
      ...['--chunk-size', formatSize(chunkSize).replace('.0 ', '')],
      ...memoryFlag(settings, 'send', identities),
    ],
    receive: [
      ...['--decompress-threads', String(threads.decompress)],
      ...memoryFlag(settings, 'receive', identities),
    ],
  };
}

/** `--memory-limit`, where the default is too small for all the slots that gain something. */
function memoryFlag(settings: Settings, side: Side, identities: boolean): string[] {
  for (let limit = DEFAULT_MEMORY_LIMIT; ; limit += STEP) {
    if (fits(settings, side, limit, identities)) {
      return limit === DEFAULT_MEMORY_LIMIT ? [] : ['--memory-limit', `${limit / MIB}MiB`];
    }
  }
}

function fits(
  { codec, level, chunkSize, threads }: Settings,
  side: Side,
  limit: number,
  identities: boolean,
): boolean {
  const own = side === 'send' ? threads.compress : threads.decompress;
  const needs = {
    limit,
    threads: own,
    chunkSize,
    codecBytes: bindingInfo(codec).memoryPerThread(level, chunkSize),
    extraSlots: 1,
    storeBytes: identities ? defaultStore(limit) : 0,
  };
  const room = recordCapacity(chunkSize);
  const geometry = side === 'send' ? senderFit(needs, room) : receiverFit(needs, room);
  return (geometry?.slots ?? 0) >= Math.min(2 * own, own + 2);
}
