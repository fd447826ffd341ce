// Settings as options of the command line, ready to paste. Pure.

import { bindingInfo } from '../codec/registry.js';
import { recordCapacity } from '../chunk/encode.js';
import { receiverGeometry, senderGeometry } from '../migration/memory.js';
import { formatSize } from '../units.js';
import type { Settings } from './recommend.js';

const MIB = 1024 * 1024;
/** What send and receive take by default, the page store aside. */
const DEFAULT_LIMIT = 256 * MIB;

export function flagsFor(settings: Settings): { send: string; receive: string } {
  const { codec, level, chunkSize, threads } = settings;
  return {
    send: [
      `--codec ${codec}`,
      ...(codec === 'none' ? [] : [`--compress-level ${level}`]),
      `--compress-threads ${threads.compress}`,
      `--chunk-size ${formatSize(chunkSize).replace('.0 ', '')}`,
      ...memoryFlag(settings, 'send'),
    ].join(' '),
    receive: [`--decompress-threads ${threads.decompress}`, ...memoryFlag(settings, 'receive')].join(' '),
  };
}

/** `--memory-limit`, where the default is too small for all the slots that gain something. */
function memoryFlag(settings: Settings, side: 'send' | 'receive'): string[] {
  for (let limit = DEFAULT_LIMIT; ; limit += DEFAULT_LIMIT) {
    if (fits(settings, side, limit)) {
      return limit === DEFAULT_LIMIT ? [] : [`--memory-limit ${limit / MIB}MiB`];
    }
  }
}

function fits(
  { codec, level, chunkSize, threads }: Settings,
  side: 'send' | 'receive',
  limit: number,
): boolean {
  const own = side === 'send' ? threads.compress : threads.decompress;
  const needs = {
    limit,
    threads: own,
    chunkSize,
    codecBytes: bindingInfo(codec).memoryPerThread(level, chunkSize),
    extraSlots: 1,
    storeBytes: 0,
  };
  try {
    const room = recordCapacity(chunkSize);
    const { slots } = side === 'send' ? senderGeometry(needs, room) : receiverGeometry(needs, room);
    return slots >= Math.min(2 * own, own + 2);
  } catch {
    return false;
  }
}
