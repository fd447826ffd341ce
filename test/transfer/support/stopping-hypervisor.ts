// A model of QEMU in front of a sender on a slow link, by the rule of migration.c: the guest stops when the pages left fit the
// downtime-limit at the rate of the last interval. When they seem to fit, QEMU first counts what the guest has written meanwhile, and a new
// round begins. Time advances in steps of 1 ms without a clock. The pipeline is a queue of chunks in front of a link; a chunk's size on the
// link comes from a recorded transfer.

import { SwitchoverPace, type RoundPosition } from '../../../src/transfer/pace/switchover-pace.js';

export const MODEL_CHUNK_BYTES = 1024 * 1024;
/** QEMU's BUFFER_DELAY. */
const ESTIMATE_MS = 100;
/** The buffer of a unix socket. */
const SOCKET_BYTES = 212_992;
/** MAX_WAIT of ram.c: QEMU looks at what is left after so long. */
const ITERATION_MS = 50;

export interface ModelOptions {
  /** KiB on the link for each MiB of guest memory in the first round, in stream order. */
  readonly wire: readonly number[];
  /** The same of later rounds, which use it again and again. */
  readonly later?: readonly number[];
  /** Bytes per millisecond that the guest writes, and bytes that it writes again and again. */
  readonly dirties?: { readonly rate: number; readonly bytes: number };
  /** Bytes per millisecond. */
  readonly link: number;
  /** Bytes per millisecond that the workers compress. */
  readonly compress?: number;
  /** Chunks that the pipeline holds. */
  readonly slots?: number;
  /** Bytes per millisecond that the hypervisor writes at most. */
  readonly source?: number;
  /** The hypervisor's limit in milliseconds. */
  readonly downtimeLimit: number;
  /** The limit that the pace assumes; undefined = no pace. */
  readonly paced?: number | undefined;
  /** Milliseconds by which QEMU's intervals are shifted. */
  readonly phase?: number;
}

export interface ModelResult {
  /** Milliseconds. */
  readonly total: number;
  readonly downtime: number;
  readonly delivered: number;
}

/** @throws when the transfer stalls */
export async function migrateModel(options: ModelOptions): Promise<ModelResult> {
  const {
    wire,
    link,
    compress = Infinity,
    slots = 6,
    source = 400_000,
    downtimeLimit,
    paced,
    phase = 0,
    later = [1024],
    dirties = { rate: 0, bytes: 0 },
  } = options;
  /** Bytes that QEMU will have written when all pages that it knows of are sent; the last chunk may be partly empty. */
  let all = wire.length * MODEL_CHUNK_BYTES;
  /** Bytes that the guest has written since QEMU has counted. */
  let dirty = 0;
  let round = 1;
  const costOf = (chunk: number): number => {
    const beyond = chunk - wire.length;
    return ((beyond < 0 ? wire[chunk]! : later[beyond % later.length]!) / 1024) * MODEL_CHUNK_BYTES;
  };
  let now = 0;
  let timers: { at: number; wake: () => void }[] = [];
  const wait = (ms: number): Promise<void> =>
    new Promise((wake) => {
      timers.push({ at: now + ms, wake });
    });
  let stoppedAt: number | undefined;
  let read = 0;
  const position = (): RoundPosition => ({
    round,
    left: round === 1 ? all - read : undefined,
    final: stoppedAt !== undefined,
  });
  const pace =
    paced === undefined
      ? undefined
      : new SwitchoverPace({
          downtimeLimit: paced,
          chunkSize: MODEL_CHUNK_BYTES,
          position,
          now: () => now,
          wait,
        });

  let written = 0;
  let [intervalFrom, intervalBytes, threshold, lookedAt] = [-phase, 0, 0, 0];
  let budget = 0;
  /** Fills the socket's buffer, as far as the source writes in this millisecond. */
  const fill = (): void => {
    const bytes = Math.max(0, Math.min(all - written, read + SOCKET_BYTES - written, budget));
    budget -= bytes;
    written += bytes;
  };
  const hypervisor = (): void => {
    budget = source;
    fill();
    if (stoppedAt !== undefined) return;
    dirty = Math.min(dirties.bytes, dirty + dirties.rate);
    if (now - intervalFrom >= ESTIMATE_MS) {
      threshold = ((written - intervalBytes) / (now - intervalFrom)) * downtimeLimit;
      [intervalFrom, intervalBytes] = [now, written];
    }
    if (now - lookedAt < ITERATION_MS) return;
    lookedAt = now;
    if (all - written > threshold) return;
    if (dirty > 0) round++;
    all += dirty;
    dirty = 0;
    if (all - written <= threshold) stoppedAt = now;
  };

  /** Bytes of chunks that were read whole. */
  let [compressed, sent, credit] = [0, 0, 0];
  const reader = async (): Promise<void> => {
    const target = new Uint8Array(MODEL_CHUNK_BYTES);
    const take = (room: number): Promise<number> => {
      const got = Math.min(room, written - read);
      read += got;
      fill();
      return Promise.resolve(got);
    };
    while (stoppedAt === undefined || read < all) {
      const room = MODEL_CHUNK_BYTES - (read % MODEL_CHUNK_BYTES);
      const full = Math.floor(read / MODEL_CHUNK_BYTES) - sent >= slots;
      if (full || written === read) {
        if (full || pace === undefined) await wait(1);
        else await pace.read({ read: () => wait(1).then(() => 0) }, target);
        continue;
      }
      if (pace === undefined) await take(room);
      else await pace.read({ read: (view) => take(view.length) }, target.subarray(0, room));
    }
  };
  const pipeline = (): void => {
    const ended = stoppedAt !== undefined && read === all;
    const whole = (ended ? Math.ceil : Math.floor)(read / MODEL_CHUNK_BYTES) * MODEL_CHUNK_BYTES;
    compressed = Math.min(whole, compressed + compress);
    credit += link;
    while (sent * MODEL_CHUNK_BYTES < compressed && credit >= costOf(sent)) {
      if (sent * MODEL_CHUNK_BYTES + MODEL_CHUNK_BYTES > compressed) break;
      credit -= costOf(sent++);
      pace?.wrote(MODEL_CHUNK_BYTES);
    }
    // An idle link saves nothing up.
    if ((sent + 1) * MODEL_CHUNK_BYTES > compressed) credit = Math.min(credit, link);
  };

  void reader();
  while (stoppedAt === undefined || sent * MODEL_CHUNK_BYTES < all) {
    now++;
    if (now > 1_000_000) throw new Error(`the transfer stalls after ${read} of ${all} bytes`);
    hypervisor();
    pipeline();
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { wake } of due) wake();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return { total: now, downtime: now - stoppedAt, delivered: sent * MODEL_CHUNK_BYTES };
}
