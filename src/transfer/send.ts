// `send`: from an address to an address. Opens both, recognises the input, chooses how it is walked, negotiates where
// the link goes both ways, and runs the pipeline. Promises a summary, or the error that ended the transfer with
// everything closed and no output left behind.

import type { Outlet } from '../container/outlet.js';
import { checkSums, type StatedSums } from '../container/sums.js';
import { type RamferryError, toRamferryError } from '../errors.js';
import type { StreamEnd } from '../grammar/grammar.js';
import { onAbort } from '../io/abort-signal.js';
import { AwakeTimer } from '../os/awake-timer.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { addressOf } from '../link/address.js';
import { openInput, openOutput } from '../link/open.js';
import type { OpenOptions } from '../link/options.js';
import { checkNotSameFile, separateEnds } from '../link/same-file.js';
import { senderGeometry, usefulSlotsFromFile } from './plan/memory.js';
import { type ResolvedSendOptions, resolveSendOptions, type SendOptions } from '../options/transfer.js';
import { DEFAULT_STORE_BYTES } from '../options/limits.js';
import { adapts, adaptive } from './sender/adapt.js';
import { agree, type Asked, chooseCoding, type Coding } from './plan/coding.js';
import { CpuGovernor } from './sender/cpu-governor.js';
import { COMPRESS_ENTRY } from '../os/entries.js';
import { codecBytes } from './plan/codec-memory.js';
import { speaks } from '../control/handshake.js';
import { followDelivery } from './pace/follow-delivery.js';
import { type GeneratedStream, outletFor, recogniseLoad, xenguestVersion } from './sender/send-source.js';
import { openOptions, warnOfFewer } from './plan/opening.js';
import { hypervisor, receiver } from '../control/peer-rules.js';
import { endRelay, relay, standardPartner } from '../control/relay.js';
import { reportProgress } from './statistics/progress-timer.js';
import { warmUpSending } from './prestart/warm-up.js';
import { ConvergenceWatch } from './statistics/convergence-watch.js';
import { Sender } from './sender/sender.js';
import { outcomeOf, reasonOf } from './sender/outcome.js';
import { Prestart } from './prestart/prestart.js';
import { Statistics } from './statistics/statistics.js';
import { brokenInput, refuseIncomplete, streamEnd, unseenWarning } from './sender/stream-end.js';
import type { TransferSummary } from './statistics/summary.js';
import { defaultStore, storeSize } from './plan/store-size.js';
import { refuseRest, warnOfUnfollowed } from './sender/unfollowed.js';
import { ControlReader } from '../control/channel.js';
import { formatBits } from '../units.js';

/** Bytes per second. A limit below this is probably a number whose unit is missing. */
const SLOW_RATE = 1e6;

/**
 * Sends a stream or a RAM image, compressed. Recognises what the input is, opens both ends, and negotiates with the receiver where the
 * link goes both ways. When it rejects, everything is closed and no output file is left behind.
 * @returns the figures of the transfer. On links that go both ways the receiver has confirmed that it has everything.
 * @throws RamferryError ERR_OPTION_INVALID, ERR_MEMORY_LIMIT (before anything is opened); ERR_INPUT_…, ERR_OUTPUT_…, ERR_LINK_…,
 *   ERR_PEER_FAILED; ERR_INPUT_INCOMPLETE when the input breaks off before its own end; ERR_OUTCOME_UNKNOWN when the receiver may
 *   have everything and did not say so
 * @example
 * ```ts
 * import { send } from 'ramferry';
 *
 * const { ram, totalTime } = await send({ input: 'guest.ram', output: 'guest.rf', codec: 'zstd', compressLevel: 3 });
 * console.log(`${ram.total / ram.transferred} : 1 in ${totalTime} ms`);
 * ```
 */
export async function send(options: SendOptions): Promise<TransferSummary> {
  const settings = resolveSendOptions(options);
  // Checked before anything is opened; the receiver may narrow it later.
  const given = {
    codec: options.codec !== undefined,
    level: options.compressLevel !== undefined,
    maxChunk: options.chunkSize !== undefined || options.window !== undefined,
  };
  const coding = chooseCoding(settings);
  if (settings.maxBandwidth > 0 && settings.maxBandwidth < SLOW_RATE) {
    settings.onWarning?.(
      `the bandwidth is limited to ${settings.maxBandwidth} bytes per second (${formatBits(settings.maxBandwidth)}); ` +
        'a bare number is bytes per second: write 100mbit for megabits',
    );
  }
  const statistics = new Statistics();
  const input = addressOf(settings.input);
  const output = addressOf(settings.output);
  checkNotSameFile(input, output);
  const standby = standbyFor(settings, coding);
  const opening = standby.whileListening(openOptions(settings));
  let source: Channel | undefined;
  let sink: Channel | undefined;
  try {
    // A file output tells at once when it must not be made; anything else only when there is something to send.
    const away = {
      ...limited(opening, settings),
      peer: speaks(output, settings.oneWay) ? receiver() : undefined,
    };
    if (output.kind === 'file') sink = await openOutput(output, away);
    source = await openInput(input, { ...opening, peer: hypervisor() });
    sink ??= await openOutput(output, away);
    const { from, to } = separateEnds(input, output, source, sink);
    await transfer(settings, coding, given, from, to, statistics, standby);
    await source.source!.close();
    return statistics.summary('completed');
  } catch (thrown) {
    await Promise.all([source?.source?.close(), sink?.sink?.abort()]);
    throw reasonOf(thrown, settings.signal);
  } finally {
    await standby.close();
  }
}

async function transfer(
  settings: ResolvedSendOptions,
  asked: Coding,
  given: Asked,
  from: Channel,
  to: Channel,
  statistics: Statistics,
  standby: Prestart,
): Promise<void> {
  const source = from.source!;
  const sink = to.sink!;
  const output = addressOf(settings.output);
  standby.arrived();
  // First the partner: where stdin and stdout are two sockets, each has its own direction.
  const feeder = (await standardPartner(addressOf(settings.input), output, 'sink')) ?? from.sink;
  const ear = meet(speaks(output, settings.oneWay), feeder, to.source);
  try {
    await transferTo(ear, settings, asked, given, source, sink, statistics, { standby });
  } finally {
    // One-way, what still flows back is relayed to its own end.
    if (ear !== undefined || to.source === undefined) {
      await Promise.all([endRelay(feeder), to.source?.close()]);
    }
  }
}

/** What some transfers have and others do not. */
export interface TransferExtras {
  /** What is sent instead of the source's stream as it is. */
  readonly cargo?: GeneratedStream;
  readonly standby?: Prestart;
}

export async function transferTo(
  ear: ControlReader | undefined,
  settings: ResolvedSendOptions,
  asked: Coding,
  given: Asked,
  source: ByteSource,
  sink: ByteSink,
  statistics: Statistics,
  { cargo, standby }: TransferExtras = {},
): Promise<void> {
  const hello = await ear?.hello();
  if (hello !== undefined) cargo?.greeted(hello);
  const agreed = hello === undefined ? asked : agree(settings, asked, given, hello);
  const memoryLimit = settings.memoryLimit - (cargo?.memoryBytes ?? 0);
  // The hypervisor may take its time, before the first byte and between rounds.
  source.patience?.(0);
  // A receiver that fails before the hypervisor has begun ends the wait for it.
  const recognising = recogniseLoad(cargo, source, settings);
  const load = await (ear === undefined ? recognising : Promise.race([recognising, ear.failure()]));
  const { head, grammar } = load;
  const coding = adapts(settings, given)
    ? adaptive({ ...settings, memoryLimit }, agreed, given, hello, grammar === undefined)
    : agreed;
  const { chunkSize } = coding;
  const needs = {
    limit: memoryLimit,
    threads: coding.threads,
    chunkSize,
    codecBytes: coding.codecBytes,
    extraSlots: 1,
    ...(grammar === undefined ? { usefulSlots: usefulSlotsFromFile(coding.threads, chunkSize) } : {}),
  };
  const storeBytes = storeSize({
    settings,
    identities: load.identities,
    needs,
    hello,
    codecBytes: (size) => codecBytes(settings, size),
  });
  const xenguest = xenguestVersion(settings, hello);
  const outlet = await outletFor(load, settings.method, xenguest, coding, storeBytes, source.file?.size);
  const geometry = senderGeometry({ ...needs, storeBytes }, outlet.room(chunkSize));
  if (source.file !== undefined) statistics.expectBytes(source.file.size);
  // A cargo counts its own rounds. Pages of a file come as fast as they can be read.
  const { downtimeLimit, onWarning } = settings;
  const live = source.file === undefined;
  const watch = cargo === undefined ? new ConvergenceWatch({ downtimeLimit, onWarning, live }) : undefined;
  // What a cargo has on its way is counted otherwise.
  const window =
    cargo === undefined ? followDelivery(ear, hello, source, chunkSize, geometry.slots) : undefined;
  let ended: StreamEnd | undefined;
  const sender = new Sender({
    crew: () => standby?.take(),
    onFewer: warnOfFewer(settings, coding.threads),
    storeMemory: (bytes) => standby?.takeStore(bytes),
    source,
    sink,
    head,
    grammar,
    outlet,
    geometry,
    threads: coding.threads,
    chunkSize,
    codec: coding.codec,
    level: coding.level,
    chooser: coding.chooser,
    nice: settings.nice,
    admit: settings.maxCpu === undefined ? undefined : governed(settings.maxCpu),
    waitThread: settings.compressWaitThread,
    selfCheck: settings.selfCheck,
    flushAfter: settings.flushAfter,
    zstdBinding: settings.zstdBinding ?? '',
    longDistance: settings.window !== undefined,
    rounds: watch?.rounds,
    onInputEnd: (bytes) => {
      ended = streamEnd(grammar, source, bytes);
      statistics.recordStreamEnd(ended);
      refuseIncomplete(ended, source, bytes);
    },
    onInputFailure: (thrown, bytes) =>
      grammar === undefined ? toRamferryError(thrown) : brokenInput(thrown, grammar, source, bytes),
    storeBytes,
    window,
    statistics,
  });
  ear?.acceptSuccessWhen(() => cargo?.mayEnd() ?? sender.allMayHaveLeft);
  const { chooser } = coding;
  if (chooser !== undefined) ear?.onWaiting((waiting) => chooser.heard(waiting));
  statistics.observe({
    roundCount: () => watch?.rounds.view()?.count,
    convergence: () => watch?.look(),
    adaptive: () => chooser?.report(),
    opaqueBecause: () => load.opaqueBecause ?? grammar?.opaqueBecause,
  });
  statistics.setupDone();
  const stopReporting = reportProgress(statistics, settings.onProgress ?? (() => undefined));
  const forget = onAbort(settings.signal, () => {
    sender.abort(toRamferryError(settings.signal!.reason, 'ERR_INTERRUPTED'));
  });
  ear?.failure().catch((thrown: unknown) => {
    sender.abort(toRamferryError(thrown, 'ERR_LINK_CLOSED'));
  });
  try {
    await sender.run();
    watch?.end();
    refuseRest(source, statistics.guestBytes);
    await cargo?.delivered();
    const finished = sink.finish();
    // The receiver has the last word: one that has everything may be gone before our end of the link is closed.
    if (ear === undefined) await finished;
    else finished.catch(() => undefined);
    warnOfUnfollowed(settings, grammar, load.opaqueBecause);
    if (ear !== undefined) believe(await ear.success(), outlet, cargo);
    const warning = unseenWarning(ended);
    if (warning !== undefined) onWarning?.(warning);
  } catch (thrown) {
    const error = await rootCause(thrown, ear);
    // A cargo knows by itself how far the hand-over has come.
    throw cargo === undefined ? outcomeOf(error, { sender, sink, result: ear?.result }) : error;
  } finally {
    stopReporting();
    forget();
  }
}

/** A cargo is handed over by words of its own: `ramferry incoming` of version 0.1 states no sums. */
function believe(stated: StatedSums, outlet: Outlet, cargo: GeneratedStream | undefined): void {
  if (cargo === undefined || stated.bytes !== undefined) checkSums(stated, outlet.sums());
}

/** How long a receiver that has failed may take to say why after its end of the link broke. */
const LAST_WORD_MS = 500;

/** When the link broke because the receiver failed, its own words are the better error. */
async function rootCause(thrown: unknown, ear: ControlReader | undefined): Promise<RamferryError> {
  const error = toRamferryError(thrown, 'ERR_LINK_CLOSED');
  if (ear === undefined || error.code !== 'ERR_LINK_CLOSED') return error;
  // The timer keeps the process: nothing else may, and then a promise that is awaited would never settle.
  let timer: AwakeTimer | undefined;
  const late = new Promise<RamferryError>((resolve) => {
    timer = AwakeTimer.start(LAST_WORD_MS, () => resolve(error));
  });
  const word = await Promise.race([
    ear.failure().catch((reason: unknown) => toRamferryError(reason)),
    late,
  ]).finally(() => timer?.cancel());
  return word.code === 'ERR_LINK_CLOSED' ? error : word;
}

/** Opens our ear on a link that goes both ways; on any other, what flows back is relayed as it is. */
function meet(
  speaking: boolean,
  feeder: ByteSink | undefined,
  back: ByteSource | undefined,
): ControlReader | undefined {
  if (back === undefined) return undefined;
  // A hypervisor that gave up takes no more; how its stream ended says what that means.
  let listens = feeder !== undefined;
  const backward = async (bytes: Uint8Array): Promise<void> => {
    if (!listens) return;
    listens = bytes.length > 0;
    const said = listens ? feeder!.write(bytes) : feeder!.finish();
    await said.catch(() => (listens = false));
  };
  if (speaking) return new ControlReader(back, backward);
  // Nobody wants to hear what comes back: a closed source takes it and drops it, and goes when we have finished.
  if (feeder === undefined) void back.close();
  else void relay(back, backward).then(() => Promise.all([back.close(), endRelay(feeder)]));
  return undefined;
}

function standbyFor(
  { zstdBinding = '', nice, memoryLimit, method, xbzrleCacheSize }: ResolvedSendOptions,
  { threads, codec }: Coding,
): Prestart {
  const wanted = method === 'stream' ? 0 : (xbzrleCacheSize ?? defaultStore(memoryLimit));
  // More than anybody should lose for nothing while it waits.
  const storeBytes = wanted > DEFAULT_STORE_BYTES ? 0 : wanted;
  const rehearsal = warmUpSending({
    threads,
    codec,
    zstdBinding,
    nice,
    memoryLimit: memoryLimit - storeBytes,
  });
  return new Prestart({ entry: COMPRESS_ENTRY, threads, rehearsal, storeBytes });
}

function governed(cpus: number): () => Promise<void> | undefined {
  const governor = new CpuGovernor(cpus);
  return () => governor.admit();
}

function limited(options: OpenOptions, settings: ResolvedSendOptions): OpenOptions {
  return settings.maxBandwidth === 0 ? options : { ...options, maxBandwidth: settings.maxBandwidth };
}
