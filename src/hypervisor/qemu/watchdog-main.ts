// The watchdog process: `node watchdog-main.js ORDERS`. Reads notes from standard input until it is released. When the input
// ends before that, ramferry is dead, and the watchdog does what the notes require (docs/SHARED-MEMORY.md). It holds a copy of
// the link's socket, so the link lives as long as one of the two processes.

import { Buffer } from 'node:buffer';
import net from 'node:net';
import { createInterface } from 'node:readline';

import { MESSAGE, writeMessage } from '../../control/messages.js';
import { resultMessage } from '../../control/negotiation.js';
import { askOutcome } from '../../control/outcome-query.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { withDeadline } from '../../os/time/deadline.js';
import { parseAddress } from '../../link/address.js';
import { findVerdict, sayingBody, type Verdict, verdictIn } from './messages.js';
import { dismissDestination, resumeSource, settleDestination } from './rescue.js';
import { LINK_FD, type Note, READY, type WatchdogOrders } from './watchdog.js';

const orders = JSON.parse(process.argv[2]!) as WatchdogOrders;

// A signal that ends ramferry may be sent to the whole process group or session.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) {
  process.on(signal, () => undefined);
}
process.stderr.on('error', () => undefined);
process.stdout.on('error', () => undefined);

const KEPT = 'kept:';
const notes = new Set<Note>();
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (line === ('released' satisfies Note)) process.exit(0);
  notes.add(line as Note);
});
// An error of the input also means that ramferry is gone; unhandled it would end this process.
input.on('error', () => input.close());
input.on('close', () => {
  takeOver().then(
    () => process.exit(0),
    (thrown: unknown) => {
      tell(`failed: ${toRamferryError(thrown).describe()}`);
      process.exit(1);
    },
  );
});
process.stdout.write(READY);

function takeOver(): Promise<void> {
  return orders.side === 'source' ? guardSource() : guardDestination();
}

async function guardSource(): Promise<void> {
  if (!notes.has('committed')) return resume();
  const heard = orders.sharesLink ? await askDestination() : undefined;
  // A destination that was heard keeps its verdict until it knows so.
  const asked = askAgain();
  const verdict = heard ?? (await asked);
  if (verdict?.say === 'refused') await resume();
  else if (verdict?.say === 'running') tell('the guest runs at the destination');
  else tell('it is unknown whether the guest runs at the destination: the guest here stays stopped');
  await asked;
}

async function resume(): Promise<void> {
  const continued = await resumeSource(orders, notes.has('stopping'));
  tell(continued ? 'the guest was continued here' : 'the guest goes on here');
}

/** Asks on another connection. @returns undefined where the destination keeps no verdict, or does not answer */
async function askAgain(): Promise<Verdict | undefined> {
  const kept = [...notes].find((note) => note.startsWith(KEPT))?.slice(KEPT.length);
  if (kept === undefined || orders.output === undefined) return undefined;
  const result = await askOutcome({
    ...{ address: parseAddress(orders.output), opening: {}, id: Buffer.from(kept, 'hex') },
    ...{ identity: undefined, door: undefined },
  });
  return result && verdictIn(result);
}

async function guardDestination(): Promise<void> {
  const link = openLink();
  if (notes.has('continuing')) {
    const verdict = await settleDestination(orders);
    say(link, verdict);
    tell(`the guest's state here: ${verdict.say}`);
    return;
  }
  // No process can continue the guest any more, so the verdict need not wait for QEMU's end.
  say(link, { say: 'refused', reason: 'ramferry was killed at the destination' });
  await dismissDestination(orders);
  tell('QEMU was told to quit');
}

function openLink(): net.Socket {
  const link = new net.Socket({ fd: LINK_FD, readable: true, writable: true, allowHalfOpen: true });
  link.on('error', () => undefined);
  return link;
}

/** Sends the verdict, and the result, for which the source waits. */
function say(link: net.Socket, verdict: Verdict): void {
  const error = new RamferryError('ERR_TERMINATED', 'ramferry was killed at the destination').toData();
  const ok = verdict.say === 'running';
  link.write(writeMessage(MESSAGE.backward, sayingBody(verdict)));
  link.end(resultMessage(ok ? { ok } : { ok, error }));
}

/** Ends the forward stream, with GO in it or without. @returns the destination's verdict */
async function askDestination(): Promise<Verdict | undefined> {
  const link = openLink();
  let heard = Buffer.alloc(0);
  const answered = new Promise<void>((resolve) => {
    link.on('data', (piece: Buffer) => {
      heard = Buffer.concat([heard, piece]);
      if (findVerdict(heard) !== undefined) resolve();
    });
    link.on('close', resolve);
    link.on('end', resolve);
  });
  link.end();
  await withDeadline(answered, orders.timeout, () => undefined);
  return findVerdict(heard);
}

function tell(what: string): void {
  process.stderr.write(`ramferry watchdog (${orders.side}): ramferry is gone; ${what}\n`);
}
