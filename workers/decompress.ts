// The program of a decompression thread: decodes the chunks of the ring (src/worker/decompressor.ts).

import type { WorkerStartUp } from '../src/slot/start-up.js';
import { Decompressor } from '../src/worker/decompressor.js';
import { serve } from './serve.js';

export { started } from './serve.js';

export default function decompress(startUp: WorkerStartUp): Promise<void> {
  return serve(startUp, new Decompressor(startUp));
}
