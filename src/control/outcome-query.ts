// The sender's question how a transfer ended whose link broke at its end (docs/FORMAT.md, conversation version 3). Promises the receiver's result, or
// nothing when nobody answers.

import { Buffer } from 'node:buffer';

import { ExactReader } from '../io/exact-reader.js';
import type { Address } from '../link/address.js';
import type { Door, OpenOptions } from '../link/options.js';
import { checkSamePeer, type PeerLink } from '../link/peer-link.js';
import { asking, IdJudge, readAsking } from '../link/resume/joining.js';
import { packet, PACKET } from '../link/resume/packet.js';
import { withDeadline } from '../os/time/deadline.js';
import { nextMessage } from './channel.js';
import { CONTROL_MAGIC, MESSAGE } from './messages.js';
import { type Result, readResult } from './negotiation.js';
import { connectAgain } from './outcome-attempts.js';
import { RamferryError } from '../errors.js';

/** Most time for an answer. */
const ASK_MS = 60_000;
/** Most time until a receiver that had connected connects again: it noticed the break when this side did, or will in a moment. */
const COMES_MS = 10_000;

export interface Question {
  readonly address: Address;
  /** With which the link was opened. */
  readonly opening: OpenOptions;
  readonly id: Buffer;
  /** Whom the first connection's certificate named. */
  readonly identity: string | undefined;
  /** Where this side listened: through which the receiver comes again. */
  readonly door: Door | undefined;
}

/** @returns the receiver's result; undefined when nobody answers. Never rejects */
export async function askOutcome(question: Question): Promise<Result | undefined> {
  const { address, opening, id, identity, door } = question;
  if (door !== undefined) return awaitOutcome(question, door);
  return connectAgain({ address, opening, identity, most: ASK_MS }, async (link) => {
    await link.sink!.write(asking(id));
    const reader = new ExactReader(link.source!);
    return readOutcome(link, reader, await isGreeted(reader));
  });
}

async function awaitOutcome({ id, identity }: Question, door: Door): Promise<Result | undefined> {
  const told = new Promise<Result>((resolve) => {
    door.open(
      () => new IdJudge(id, 'outcome'),
      (link) => {
        void hear(link, identity).then(resolve, () => link.sink!.abort());
      },
    );
  });
  const result = await withDeadline(told, COMES_MS, () => undefined);
  door.close();
  return result;
}

async function hear(link: PeerLink, identity: string | undefined): Promise<Result> {
  checkSamePeer(link, identity);
  const reader = new ExactReader(link.source!);
  await readAsking(reader);
  return readOutcome(link, reader);
}

/** A server greets each connection before it knows what comes. @returns the first bytes of a message where it does not */
async function isGreeted(reader: ExactReader): Promise<Buffer | undefined> {
  const first = Buffer.alloc(CONTROL_MAGIC.length);
  await reader.exactly(first);
  return first.equals(CONTROL_MAGIC) ? undefined : first;
}

async function readOutcome(link: PeerLink, reader: ExactReader, header?: Buffer): Promise<Result> {
  for (let begun = header; ; begun = undefined) {
    const { type, body } = await nextMessage(reader, begun);
    if (type === MESSAGE.progress || type === MESSAGE.hello) continue;
    if (type !== MESSAGE.result) throw new RamferryError('ERR_LINK_NEGOTIATION', `a message of type ${type}`);
    const result = readResult(body);
    await link.sink!.write(packet(PACKET.heard, 0)).catch(() => undefined);
    await link.sink!.finish().catch(() => undefined);
    await link.source!.close();
    return result;
  }
}
