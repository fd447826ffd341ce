// Decides codec, level, chunk size and threads of a stream: the requested values, narrowed to what this installation and the
// receiver support. Reads which codecs are installed; has no other side effects.

import { bindingInfo } from '../../codec/registry.js';
import { type Given, type Hello, narrowOffer } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import type { ResolvedSendOptions, SendOptions } from '../../options/transfer.js';
import { threadPoolSize } from '../../os/processor/thread-pool.js';
import { formatSize } from '../../units.js';
import { receiverFloor } from './memory.js';
import type { Coding } from './transfer-plan.js';

/** Which options the user gave explicitly. The receiver's limits change only the others. */
export interface Named extends Given {
  readonly level: boolean;
}

export function namedOptions(
  options: Pick<SendOptions, 'codec' | 'compressLevel' | 'chunkSize' | 'window'>,
): Named {
  return {
    codec: options.codec !== undefined,
    level: options.compressLevel !== undefined,
    maxChunk: options.chunkSize !== undefined || options.window !== undefined,
  };
}

/** The options that decide how chunks are coded. */
export type CodingSettings = Pick<
  ResolvedSendOptions,
  'compressLevel' | 'chunkSize' | 'window' | 'codec' | 'zstdBinding' | 'compressThreads'
>;

/** The decision, and warnings for the user. */
export interface CodingChoice {
  readonly coding: Coding;
  readonly warnings: readonly string[];
}

/**
 * Narrows the requested codec, level and threads to what this installation supports.
 * @throws ERR_OPTION_INVALID, ERR_CODEC_UNAVAILABLE
 */
export function chooseCoding(settings: CodingSettings): CodingChoice {
  const { compressLevel: level, chunkSize, window } = settings;
  const codec = level === 0 ? 'none' : settings.codec;
  const info = bindingInfo(codec, codec === 'zstd' ? { binding: settings.zstdBinding } : {});
  if (codec !== 'none' && (level < info.levels.min || level > info.levels.max)) {
    throw new RamferryError(
      'ERR_OPTION_INVALID',
      `compressLevel: ${level} is outside what ${codec} (${info.binding}) has: ${info.levels.min} to ${info.levels.max}`,
      { hint: '0 stores, 1 is fastest' },
    );
  }
  if (window !== undefined && !info.longDistance) {
    throw new RamferryError('ERR_OPTION_INVALID', `window: ${codec} (${info.binding}) cannot look that far`, {
      hint: 'a window needs codec zstd, with a binding that can (ramferry features); --chunk-size alone works with all',
    });
  }
  const warnings: string[] = [];
  let threads = settings.compressThreads;
  if (info.asynchronous) {
    const shared = threadPoolSize();
    if (threads > shared) {
      warnings.push(
        `${info.binding} runs on the process's ${shared} pool threads: ${shared} instead of ${threads} compress-threads ` +
          '(set UV_THREADPOOL_SIZE before starting, or install zstd-napi)',
      );
      threads = shared;
    }
  }
  const codecBytes = info.memoryPerThread(level, chunkSize, window !== undefined);
  return { coding: { codec, level, chunkSize, threads, codecBytes }, warnings };
}

/**
 * Narrows the requested coding to what both sides support.
 * @throws as chooseCoding, and ERR_LINK_NEGOTIATION when the two sides support no common coding
 */
export function agreeCoding(settings: CodingSettings, named: Named, hello: Hello | undefined): CodingChoice {
  const asked = chooseCoding(settings);
  if (hello === undefined) return asked;
  const { codec, chunkSize } = asked.coding;
  const offer = { codec, maxChunk: chunkSize, memory: receiverFloor(chunkSize) };
  const agreed = narrowOffer(offer, named, hello);
  if (agreed.codec === codec && agreed.maxChunk === chunkSize) return asked;
  const compressLevel = agreed.codec === codec ? settings.compressLevel : 1;
  const narrowed = { ...settings, codec: agreed.codec, compressLevel, chunkSize: agreed.maxChunk };
  const { coding, warnings } = chooseCoding(narrowed);
  const notice = `the receiver takes codec ${agreed.codec} and chunks of ${formatSize(agreed.maxChunk)}: using those`;
  return { coding, warnings: [...new Set([...asked.warnings, notice, ...warnings])] };
}
