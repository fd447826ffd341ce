// The engine of a front, with the settings of this process that belong to it. Imported when the engine is needed.

import { Engine } from '../../hypervisor/xapi/emu-engine.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import { setThreadPoolSize } from '../../os/processor/thread-pool.js';
import { setFlagsBetweenLoads } from '../process/v8-flags.js';

/** @throws RamferryError ERR_OPTION_INVALID, ERR_CODEC_UNAVAILABLE */
export function engine(options: EmuOptions, onWarning: (text: string) => void): Engine {
  setFlagsBetweenLoads();
  setThreadPoolSize(process.env['UV_THREADPOOL_SIZE']);
  return new Engine(options, onWarning);
}
