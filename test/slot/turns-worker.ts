// Waits for two turns and reports the outcome.

import { parentPort, workerData } from 'node:worker_threads';

import { RamferryError } from '../../src/errors.js';
import { Turns } from '../../src/slot/turns.js';

parentPort!.postMessage('waiting');
try {
  new Turns(workerData as SharedArrayBuffer).wait(2);
  parentPort!.postMessage('went on');
} catch (thrown) {
  parentPort!.postMessage(thrown instanceof RamferryError ? thrown.code : String(thrown));
}
