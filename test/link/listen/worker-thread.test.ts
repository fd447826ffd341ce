// A transfer in a worker thread, where Node refuses operations on the whole process (umask, chdir).

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';

import { send } from '../../../src/index.js';
import { temporaryDirectory } from '../support.js';

const LIBRARY = new URL('../../../src/index.js', import.meta.url).href;

const PROGRAM = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { receive } = await import(${JSON.stringify(LIBRARY)});
  const onListening = () => parentPort.postMessage('listening');
  const { status } = await receive({ ...workerData, onListening });
  parentPort.postMessage(status);`;

describe('receive in a worker thread', () => {
  it('listens on a unix socket and restores the stream', async () => {
    const directory = temporaryDirectory();
    const [input, output, socket] = ['in', 'out', 'socket'].map((name) => path.join(directory, name));
    fs.writeFileSync(input!, randomBytes(3_000_000));
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`), {
      workerData: { input: `unix-listen:${socket!}`, output },
    });
    const failed = once(worker, 'error').then(([thrown]) => Promise.reject(thrown as Error));
    const said = (): Promise<unknown[]> => Promise.race([once(worker, 'message'), failed]);
    assert.deepEqual(await said(), ['listening']);
    assert.equal(fs.statSync(socket!).mode & 0o777, 0o600);
    const ended = said();
    await send({ input: input!, output: `unix:${socket!}` });
    assert.deepEqual(await ended, ['completed']);
    assert.deepEqual(fs.readFileSync(output!), fs.readFileSync(input!));
    assert.deepEqual(fs.readdirSync(directory).sort(), ['in', 'out']);
    await worker.terminate();
  });
});
