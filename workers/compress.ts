// The program of a compression thread: encodes the chunks of the ring (src/worker/compressor.ts).

import type { WorkerStartUp } from '../src/slot/start-up.js';
import { Compressor } from '../src/worker/compressor.js';
import { serve } from './serve.js';

export { started } from './serve.js';

export default function compress(startUp: WorkerStartUp): Promise<void> {
  return serve(startUp, new Compressor(startUp));
}
