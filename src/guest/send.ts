// The simulated source: runs the guest's program, pre-copies its RAM into a channel, pauses the guest, and measures.
// With a return path, the downtime ends with the destination's acknowledgement, and the source compares both sides'
// RAM. Without one, it ends when the sink has taken all bytes, and the stream carries the hash of RAM.

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

/** The guest's write rate. `pagesPerRound` gives the same stream on every run. */
export type WriteRate =
  | { readonly pagesPerSecond: number }
  | { readonly bytesPerSecond: number }
  | { readonly pagesPerRound: number };

export interface GuestLoad {
  readonly pattern: WritePattern;
  /** Size of the working set in pages of main memory. */
  readonly workingSetPages: number;
  /** First page of the working set (default 0). */
  readonly firstPage?: number;
  readonly seed: number;
  readonly rate: WriteRate;
}

export interface SendGuestOptions {
  readonly policy: PausePolicy;
  /** Absent: an idle guest. */
  readonly load?: GuestLoad;
  readonly clock?: Clock;
  /** Longest wait for the acknowledgement, and again for the destination's hash, in ms (default 60 000). */
  readonly acknowledgeTimeout?: number;
  readonly onRound?: (round: RoundStatistics) => void;
}

export interface SendGuestReport {
  readonly rounds: readonly RoundStatistics[];
  readonly converged: boolean;
  /** Pages of RAM sent, pages sent again included. */
  readonly pages: number;
  /** Bytes of the stream. */
  readonly bytes: number;
  /** Pages that the guest wrote during the migration. */
  readonly writes: number;
  /** From the first byte to the end of the downtime; hashing RAM is not counted. */
  readonly totalMilliseconds: number;
  /** From the pause to the acknowledgement, or until the sink has taken the last byte; hashing RAM is not counted. */
  readonly downtimeMilliseconds: number;
  readonly acknowledged: boolean;
  /** XXH64 of RAM at the pause. */
  readonly hash: bigint;
}

const ACKNOWLEDGE_TIMEOUT_MS = 60_000;
/** Wait for a message that the destination sent before the link failed: it has arrived, or is in flight. */
const FAILURE_MESSAGE_TIMEOUT_MS = 1000;

/**
 * Sends the guest and finishes the sink.
 * @throws RamferryError ERR_PEER_FAILED when the destination reports a failure, ERR_LINK_TIMEOUT when it sends nothing,
 *   ERR_STREAM_CHECKSUM when its RAM differs, ERR_OPTION_INVALID, or the link's error. The sink is aborted then.
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
    const timeout = options.acknowledgeTimeout ?? ACKNOWLEDGE_TIMEOUT_MS;
    await answers.acknowledgement(timeout);
    resumedAt = clock.now();
    // Hashing follows the acknowledgement, since hashing a gigabyte takes tens of milliseconds.
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

/** The destination's messages on the return path, each awaited within a time limit. */
class Answers {
  readonly #reader: FieldReader;

  constructor(
    private readonly source: ByteSource,
    private readonly clock: Clock,
  ) {
    this.#reader = new FieldReader(source);
    source.patience?.(0); // #await() sets the time limit, so the link's own limit is off.
  }

  async acknowledgement(timeout: number): Promise<void> {
    await this.#await(MESSAGE.shut, 4, 'acknowledgement', timeout);
  }

  async sameHash(own: bigint, timeout: number): Promise<void> {
    const data = await this.#await(MESSAGE.hash, 8, 'hash of RAM', timeout);
    if (data.readBigUInt64BE() === own) return;
    throw new RamferryError('ERR_STREAM_CHECKSUM', "the destination's RAM differs from the source's");
  }

  /** The failure that the destination reported before it closed the link; undefined when there is none. */
  async reasonFor(thrown: unknown): Promise<RamferryError | undefined> {
    if (!(thrown instanceof RamferryError) || thrown.code !== 'ERR_LINK_CLOSED') return undefined;
    try {
      await this.acknowledgement(FAILURE_MESSAGE_TIMEOUT_MS);
    } catch (said) {
      if (said instanceof RamferryError && said.code === 'ERR_PEER_FAILED') return said;
    }
    return undefined;
  }

  #await(type: number, bytes: number, what: string, timeout: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(timeout, () => {
        // Closing ends the read below. Its later rejection has no effect: this promise has been rejected by then.
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
