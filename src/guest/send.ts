// The simulated source: runs the guest's program, pre-copies its RAM into a channel, pauses it, and measures.
// With a way back, the downtime ends with the destination's acknowledgement and both sides' RAM is compared; without,
// it ends when the sink has everything, and the hash of RAM lies in the stream.

import { RamferryError } from '../errors.js';
import type { ByteSource, Channel } from '../io/bytes.js';
import { PAGE_BYTES } from '../page/size.js';
import { CountedActivity, idle, TimedActivity, type Activity } from './activity.js';
import { systemClock, type Clock } from './clock.js';
import { DirtyBitmap } from './dirty-bitmap.js';
import { FieldReader } from './stream/field-reader.js';
import type { SimulatedGuest } from './guest.js';
import type { WritePattern } from '../options/amounts.js';
import { runPrecopy, type PausePolicy, type RoundStatistics } from './precopy.js';
import { awaitMessage, MESSAGE } from './return-path.js';
import { Workload } from './workload.js';

/** How fast the guest writes; per round is for streams that must be the same on every run. */
export type WriteRate =
  | { readonly pagesPerSecond: number }
  | { readonly bytesPerSecond: number }
  | { readonly pagesPerRound: number };

export interface GuestLoad {
  readonly pattern: WritePattern;
  /** Pages of main memory that are written to. */
  readonly workingSetPages: number;
  /** The first of them (default 0). */
  readonly firstPage?: number;
  readonly seed: number;
  readonly rate: WriteRate;
}

export interface SendGuestOptions {
  readonly policy: PausePolicy;
  /** Absent: an idle guest. */
  readonly load?: GuestLoad;
  readonly clock?: Clock;
  /** How long to wait for the acknowledgement and for the destination's hash, each, in ms. */
  readonly acknowledgeTimeout?: number;
  readonly onRound?: (round: RoundStatistics) => void;
}

export interface SendGuestReport {
  readonly rounds: readonly RoundStatistics[];
  readonly converged: boolean;
  /** Pages of RAM sent, those sent again included. */
  readonly pages: number;
  /** Bytes of the stream. */
  readonly bytes: number;
  /** Pages that the guest wrote meanwhile. */
  readonly writes: number;
  /** From the first byte to the end of the downtime. */
  readonly totalMilliseconds: number;
  /** From the pause to the acknowledgement, or to the last byte taken; hashing RAM is not counted. */
  readonly downtimeMilliseconds: number;
  readonly acknowledged: boolean;
  /** XXH64 of RAM at the pause. */
  readonly hash: bigint;
}

const DEFAULT_ACKNOWLEDGE_TIMEOUT = 60_000;
/** What was said before the link failed is here already, or on its way. */
const LAST_WORDS_TIMEOUT = 1000;

/**
 * Sends the guest and finishes the sink.
 * @throws RamferryError ERR_PEER_FAILED when the destination reports a failure, ERR_LINK_TIMEOUT when it stays silent,
 *   ERR_STREAM_CHECKSUM when its RAM differs, ERR_OPTION_INVALID, or what the link says. The sink is aborted then.
 */
export async function sendGuest(
  channel: Channel,
  guest: SimulatedGuest,
  options: SendGuestOptions,
): Promise<SendGuestReport> {
  const clock = options.clock ?? systemClock;
  const answers =
    channel.duplex && channel.source !== undefined ? new Answers(channel.source, clock) : undefined;
  try {
    return await send(channel, answers, guest, options, clock);
  } catch (thrown) {
    const reason = await answers?.reasonFor(thrown);
    await Promise.all([channel.sink?.abort(), channel.source?.close()]);
    throw reason ?? thrown;
  }
}

async function send(
  channel: Channel,
  answers: Answers | undefined,
  guest: SimulatedGuest,
  options: SendGuestOptions,
  clock: Clock,
): Promise<SendGuestReport> {
  const { sink } = channel;
  if (sink === undefined) throw new RamferryError('ERR_USAGE', 'a source needs a link that takes bytes');
  const writer = guest.openWriter(sink, answers !== undefined);
  const dirty = new DirtyBitmap(writer.frames);
  const { activity, workload } = makeActivity(guest, dirty, options.load, clock);
  const startedAt = clock.now();
  await writer.begin();
  const { rounds, converged, pausedAt } = await runPrecopy({
    writer,
    sink,
    dirty,
    ramPages: guest.ram.pages,
    activity,
    clock,
    policy: checkPolicy(options.policy),
    ...(options.onRound === undefined ? {} : { onRound: options.onRound }),
  });

  let hash: bigint;
  let resumedAt: number;
  let hashing = 0;
  if (answers === undefined) {
    const before = clock.now();
    hash = guest.ram.hash();
    hashing = clock.now() - before;
    await writer.finish({ hash, pages: guest.ram.pages });
    await sink.finish();
    resumedAt = clock.now();
  } else {
    await writer.finish(undefined);
    const timeout = options.acknowledgeTimeout ?? DEFAULT_ACKNOWLEDGE_TIMEOUT;
    await answers.acknowledgement(timeout);
    resumedAt = clock.now();
    // Only now: a gigabyte takes tens of milliseconds.
    hash = guest.ram.hash();
    await answers.sameHash(hash, timeout);
    await sink.finish();
  }
  await channel.source?.close();
  return {
    rounds,
    converged,
    pages: rounds.reduce((sum, round) => sum + round.pages, 0),
    bytes: writer.bytes,
    writes: workload?.written ?? 0,
    totalMilliseconds: resumedAt - startedAt - hashing,
    downtimeMilliseconds: resumedAt - pausedAt - hashing,
    acknowledged: answers !== undefined,
    hash,
  };
}

function checkPolicy(policy: PausePolicy): PausePolicy {
  const rounds = policy.kind === 'fixed' ? policy.rounds : policy.maxRounds;
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new RamferryError('ERR_OPTION_INVALID', `${rounds} live rounds`, {
      hint: 'at least one: it sends all of RAM',
    });
  }
  return policy;
}

function makeActivity(
  guest: SimulatedGuest,
  dirty: DirtyBitmap,
  load: GuestLoad | undefined,
  clock: Clock,
): { activity: Activity; workload: Workload | undefined } {
  if (load === undefined) return { activity: idle, workload: undefined };
  const { pattern, workingSetPages: pages, firstPage = 0, seed, rate } = load;
  if (firstPage + pages > guest.mainPages) {
    throw new RamferryError(
      'ERR_OPTION_INVALID',
      `a working set of ${pages} pages from page ${firstPage} does not lie within ${guest.mainPages} pages of memory`,
      { hint: 'make the working set smaller or the guest larger' },
    );
  }
  const workload = new Workload(guest.ram, dirty, { pattern, firstPage, pages, seed });
  const amount = Object.values(rate)[0] as number;
  if (!(amount >= 0 && Number.isFinite(amount))) {
    throw new RamferryError('ERR_OPTION_INVALID', `a guest cannot write ${amount} pages`);
  }
  if ('pagesPerRound' in rate) return { activity: new CountedActivity(workload, amount), workload };
  const pagesPerSecond = 'pagesPerSecond' in rate ? amount : amount / PAGE_BYTES;
  return { activity: new TimedActivity(workload, pagesPerSecond, clock), workload };
}

/** What comes back over the return path, within a time limit. */
class Answers {
  readonly #reader: FieldReader;

  constructor(
    private readonly source: ByteSource,
    private readonly clock: Clock,
  ) {
    this.#reader = new FieldReader(source);
    source.patience?.(0); // The limit is ours.
  }

  async acknowledgement(timeout: number): Promise<void> {
    await this.#await(MESSAGE.shut, 4, 'acknowledgement', timeout);
  }

  async sameHash(own: bigint, timeout: number): Promise<void> {
    const data = await this.#await(MESSAGE.hash, 8, 'hash of RAM', timeout);
    if (data.readBigUInt64BE() === own) return;
    throw new RamferryError('ERR_STREAM_CHECKSUM', "the destination's RAM differs from the source's");
  }

  /** What the destination said before it hung up, if that explains why the link failed. */
  async reasonFor(thrown: unknown): Promise<RamferryError | undefined> {
    if (!(thrown instanceof RamferryError) || thrown.code !== 'ERR_LINK_CLOSED') return undefined;
    try {
      await this.acknowledgement(LAST_WORDS_TIMEOUT);
    } catch (said) {
      if (said instanceof RamferryError && said.code === 'ERR_PEER_FAILED') return said;
    }
    return undefined;
  }

  #await(type: number, bytes: number, what: string, timeout: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(timeout, () => {
        // Ends the read below, whose rejection then comes too late to be heard.
        void this.source.close();
        reject(
          new RamferryError('ERR_LINK_TIMEOUT', `no ${what} from the destination in ${timeout} ms`, {
            hint: 'the destination must be a simulated guest, and the way between must carry bytes back',
          }),
        );
      });
      awaitMessage(this.#reader, type, bytes).then(resolve, reject).finally(cancel);
    });
  }
}
