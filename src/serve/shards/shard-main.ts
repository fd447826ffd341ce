// A shard: a process that carries a part of a server's guests. It opens no address: its parent hands it connections. Signals to the
// group are the parent's to hear. Without its parent it takes no more guests, and ends with those that it carries.

import { Buffer } from 'node:buffer';

import { fromErrorData, toRamferryError } from '../../errors.js';
import { handedOver } from '../../link/handle.js';
import { exitNow } from '../../os/process/exit.js';
import { History } from '../../transfer/adaptive/history/history.js';
import type { ServerHooks } from '../parts.js';
import { localLink } from '../passing-on.js';
import { Server } from '../server.js';
import { Elsewhere } from './elsewhere.js';
import type { FromShard, ToShard } from './messages.js';
import { ParentClaims } from './parent-claims.js';

/** Milliseconds between two reports of what runs. */
const REPORT_MS = 250;

function tell(message: FromShard): void {
  // After the parent has ended, sending fails silently; 'disconnect' then ends this process.
  process.send?.(message, undefined, undefined, () => undefined);
}

const hooks: ServerHooks = {
  onListening: () => undefined,
  onWarning: (text) => tell({ kind: 'warning', text }),
  onEnded: (ended, outcome) => {
    const failed = outcome instanceof Error;
    tell({ kind: 'ended', ended, outcome: failed ? { error: outcome.toData() } : { summary: outcome } });
  },
};
const claims = new ParentClaims(tell);
const elsewhere = new Elsewhere(tell);
let server: Server | undefined;

async function start({ options, history }: Extract<ToShard, { kind: 'start' }>): Promise<void> {
  try {
    const memory = history ? new History() : undefined;
    server = await Server.start(options, hooks, { memory, claims, elsewhere });
    setInterval(report, REPORT_MS);
    tell({ kind: 'started' });
  } catch (thrown) {
    tell({ kind: 'failed', error: toRamferryError(thrown).toData() });
  }
}

let reported = 0;
function report(): void {
  const transfers = server?.running() ?? [];
  if (transfers.length > 0 || reported > 0) tell({ kind: 'running', transfers });
  reported = transfers.length;
}

async function drain(): Promise<void> {
  await server?.drain();
  exitNow(0);
}

/** Also a server that has not begun must not keep a connection open. */
function take({ direction, name }: Extract<ToShard, { kind: 'connection' }>, handle: unknown): void {
  const socket = handedOver(handle);
  if (server === undefined) socket.destroy();
  else server.take(direction, name, socket);
}

function takeLater({ first, provenName }: Extract<ToShard, { kind: 'later' }>, handle: unknown): void {
  const link = localLink(handedOver(handle), 'a connection through another shard', provenName);
  if (link !== undefined) server?.takeLater(Buffer.from(first), link);
}

function hear(message: ToShard, handle: unknown): void {
  switch (message.kind) {
    case 'start':
      return void start(message);
    case 'connection':
      return take(message, handle);
    case 'later':
      return takeLater(message, handle);
    case 'seek':
      return tell({ kind: 'sought', request: message.request, has: server?.expects(message.first) === true });
    case 'elsewhere':
      return elsewhere.answered(message.request, handle === undefined ? undefined : handedOver(handle));
    case 'claimed':
      return claims.answered(message.request, message.id);
    case 'bandwidth':
      return server?.setBandwidth(message.bytesPerSecond);
    case 'status':
      if (server !== undefined) tell({ kind: 'status', request: message.request, status: server.status() });
      return;
    case 'drain':
      return void drain();
    case 'abort':
      return server?.abort(fromErrorData(message.error));
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('message', hear);
process.on('disconnect', () => void drain());
