// A process that runs transfers on request and reports what they cost, main thread and workers apart, or drains bytes. Started by
// engine.ts with a message channel; one request at a time. The transfers are the library's own `send` and `receive`.

import { send } from '../../transfer/send.js';
import { receive } from '../../transfer/receive.js';
import { toRamferryError } from '../../errors.js';
import { exitNow } from '../../os/process/exit.js';
import { drain } from './drain.js';
import type { ChildAnswer, ChildRequest } from './engine.js';
import { ProcessClock, processMicros } from '../../os/processor/cpu-time.js';

function answer(message: ChildAnswer): void {
  // After the parent has ended, sending fails silently; 'disconnect' then ends this process.
  process.send?.(message, undefined, undefined, () => undefined);
}

async function serve(request: ChildRequest): Promise<void> {
  const clock = new ProcessClock();
  try {
    const onListening = (address: string): void => answer({ kind: 'listening', address });
    if (request.kind === 'drain') {
      await drain(onListening);
      return;
    }
    if (request.kind === 'cpu') {
      answer({ kind: 'cpu', seconds: processMicros() / 1e6 });
      return;
    }
    const summary =
      request.kind === 'send'
        ? await send(request.options)
        : await receive({ ...request.options, onListening });
    const own = clock.own();
    answer({ kind: 'done', summary, wall: clock.wall(), own, others: clock.all() - own });
  } catch (thrown) {
    answer({ kind: 'failed', error: toRamferryError(thrown).toData() });
  }
}

process.on('message', (request: ChildRequest) => void serve(request));
// The parent has ended. process.exit() would terminate threads that may be loading (pool/thread-group.ts).
process.on('disconnect', () => exitNow(0));
answer({ kind: 'ready' });
