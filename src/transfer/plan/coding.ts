// With which codec, level, chunk size and threads a stream leaves: what was asked for, as far as this installation and
// the receiver can do it.

import { bindingInfo } from '../../codec/registry.js';
import { type Given, type Hello, narrowOffer } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import { threadPoolSize } from '../../os/thread-pool.js';
import { formatSize } from '../../units.js';
import type { Chooser } from '../adaptive/chooser.js';
import { receiverFloor } from './memory.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';

/** What the user said by name. */
export interface Asked extends Given {
  readonly level: boolean;
}

export interface Coding {
  readonly codec: ResolvedSendOptions['codec'];
  readonly level: number;
  readonly chunkSize: number;
  readonly threads: number;
  readonly codecBytes: number;
  /** Chooses codec and level instead (adaptive mode). */
  readonly chooser?: Chooser;
}

/** Codec, level and threads that this installation really has; ERR_OPTION_INVALID, ERR_CODEC_UNAVAILABLE. */
export function chooseCoding(
  settings: Pick<
    ResolvedSendOptions,
    'compressLevel' | 'chunkSize' | 'window' | 'codec' | 'zstdBinding' | 'compressThreads' | 'onWarning'
  >,
): Coding {
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
  let threads = settings.compressThreads;
  if (info.asynchronous) {
    const shared = threadPoolSize();
    if (threads > shared) {
      settings.onWarning?.(
        `${info.binding} runs on the process's ${shared} pool threads: ${shared} instead of ${threads} compress-threads ` +
          '(set UV_THREADPOOL_SIZE before starting, or install zstd-napi)',
      );
      threads = shared;
    }
  }
  const codecBytes = info.memoryPerThread(level, chunkSize, window !== undefined);
  return { codec, level, chunkSize, threads, codecBytes };
}

/** What both sides can do, as near as possible to what was asked for; warns about a difference. */
export function agree(settings: ResolvedSendOptions, asked: Coding, given: Asked, hello: Hello): Coding {
  const offer = { codec: asked.codec, maxChunk: asked.chunkSize, memory: receiverFloor(asked.chunkSize) };
  const agreed = narrowOffer(offer, given, hello);
  if (agreed.codec === asked.codec && agreed.maxChunk === asked.chunkSize) return asked;
  settings.onWarning?.(
    `the receiver takes codec ${agreed.codec} and chunks of ${formatSize(agreed.maxChunk)}: using those`,
  );
  const compressLevel = agreed.codec === asked.codec ? settings.compressLevel : 1;
  return chooseCoding({ ...settings, codec: agreed.codec, compressLevel, chunkSize: agreed.maxChunk });
}
