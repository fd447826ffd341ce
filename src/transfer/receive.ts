// `receive`: from an address to an address. Recognises what comes by itself, restores the bytes, and says on a link that
// goes both ways how it ended. Promises a summary, or the error that ended the transfer and no output under its final
// name.

import type { Progress } from '../control/progress.js';
import { statedSums } from '../container/sums.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { countHanded } from '../io/handed-sink.js';
import { WaitingSource } from '../io/waiting-source.js';
import { addressOf } from '../link/address.js';
import { openInput, openOutput } from '../link/open.js';
import { checkNotSameFile, separateEnds } from '../link/same-file.js';
import {
  DEFAULT_CHUNK_BYTES,
  DEFAULT_STORE_BYTES,
  type ReceiveOptions,
  type ResolvedReceiveOptions,
  resolveReceiveOptions,
} from '../options/transfer.js';
import { storeBeside } from './plan/memory.js';
import { codecBytes } from './plan/codec-memory.js';
import { DECOMPRESS_ENTRY } from '../os/entries.js';
import { speaks } from '../control/handshake.js';
import { finishOutput, outputSink, watchReader } from './receiver/output.js';
import { sender } from '../control/peer-rules.js';
import { endRelay, relay, standardPartner } from '../control/relay.js';
import { reportProgress } from './statistics/progress-timer.js';
import { BoundedSink } from './receiver/bounded-sink.js';
import { warmUpReceiving } from './prestart/warm-up.js';
import { openOptions, recognise, warnOfFewer } from './plan/opening.js';
import { receiverHello } from './plan/receiver-hello.js';
import { openReceiver } from './receiver/receivers.js';
import type { Outcome } from './receiver/receiving.js';
import { Prestart } from './prestart/prestart.js';
import { Statistics } from './statistics/statistics.js';
import type { TransferSummary } from './statistics/summary.js';
import { greetingOf, ControlWriter } from '../control/channel.js';

/**
 * Receives a stream.
 * @throws RamferryError; its code tells the side that failed (src/errors.ts)
 */
export async function receive(options: ReceiveOptions): Promise<TransferSummary> {
  const settings = resolveReceiveOptions(options);
  const statistics = new Statistics();
  const input = addressOf(settings.input);
  const output = addressOf(settings.output);
  checkNotSameFile(input, output);
  const { decompressThreads: threads, zstdBinding = '' } = settings;
  // Too little memory for any stream is said before anybody connects.
  const hello = receiverHello(settings);
  // What a sender chooses without options, if we can hold it.
  const storeBytes =
    storeBeside(hello.stores ?? [], DEFAULT_CHUNK_BYTES) < DEFAULT_STORE_BYTES ? 0 : DEFAULT_STORE_BYTES;
  const memoryLimit = settings.memoryLimit - storeBytes;
  const rehearsal = warmUpReceiving({ threads, zstdBinding, memoryLimit });
  const standby = new Prestart({ entry: DECOMPRESS_ENTRY, threads, rehearsal, storeBytes });
  const opening = standby.whileListening(openOptions(settings));
  const talks = speaks(input, settings.oneWay);
  const meeting = {
    ...opening,
    peer: sender(settings.passThrough, () => standby.arrived()),
    greeting: talks ? greetingOf(hello) : undefined,
  };
  let source: Channel | undefined;
  let sink: Channel | undefined;
  let reader: ByteSource | undefined;
  let voice: ControlWriter | undefined;
  let handed = (): number => 0;
  let readerFailed: RamferryError | undefined;
  try {
    if (output.kind === 'file') sink = await openOutput(output, opening);
    source = await openInput(input, meeting);
    const link = new WaitingSource(source.source!);
    voice = introduce(talks, source, () => ({
      delivered: statistics.guestBytes,
      waiting: link.waiting,
    }));
    sink ??= await openOutput(output, opening);
    ({ from: source, to: sink } = separateEnds(input, output, source, sink));
    reader = (await standardPartner(output, input, 'source')) ?? sink.source;
    const out = outputSink(sink.sink!);
    const relayed = reader && relayBack(reader, source, voice, reader === sink.source);
    // What ends our standard input says nothing about standard output.
    const broken =
      reader === sink.source && reader !== undefined && relayed !== undefined
        ? watchReader(reader, relayed)
        : undefined;
    const { sink: taking, handed: counted } = countHanded(out);
    handed = counted;
    const { bytes, verified, sums } = await transfer(
      settings,
      voice === undefined ? source.source! : link,
      taking,
      statistics,
      standby,
      (abort) => {
        void broken?.then((failure) => {
          readerFailed = failure;
          if (failure !== undefined) abort(failure);
        });
      },
    );
    // Bytes that a digest of the stream has verified are right, whatever happens to the file.
    if (!verified) source.source!.unchanged?.();
    await finishOutput(out, bytes, output.kind === 'tcp' ? broken : undefined);
    await reader?.close();
    const heard = await voice?.result({ ok: true, bytes, ...(sums === undefined ? {} : statedSums(sums)) });
    if (heard === false) settings.onWarning?.(UNHEARD);
    if (voice === undefined) await endRelay(source.sink);
    await source.source!.close();
    return statistics.summary(verified ? 'completed' : 'unverified');
  } catch (thrown) {
    const error =
      settings.signal?.reason instanceof RamferryError
        ? settings.signal.reason
        : (readerFailed ?? toRamferryError(thrown));
    await Promise.all([sink?.sink?.abort(), reader?.close()]);
    if (voice === undefined) await source?.sink?.abort();
    else await voice.result({ ok: false, bytes: handed(), error: error.toData() });
    await source?.source?.close();
    throw error;
  } finally {
    await standby.close();
  }
}

const UNHEARD =
  'everything is delivered, but the link broke before the sender could hear it: the sender reports the outcome as unknown';

/** What follows the greeting. */
function introduce(talks: boolean, from: Channel, progress: () => Progress): ControlWriter | undefined {
  if (from.sink === undefined || !talks) return undefined;
  const voice = new ControlWriter(from.sink);
  voice.reportProgress(progress);
  return voice;
}

/**
 * What our reader says (QEMU's return path) goes back to the sender.
 * @param own the reader's connection is ours alone: without a listener it is read all the same, to see how it ends
 */
function relayBack(
  reader: ByteSource,
  { sink }: Channel,
  voice: ControlWriter | undefined,
  own: boolean,
): Promise<RamferryError | undefined> | undefined {
  if (voice !== undefined) {
    return relay(reader, (bytes) => voice.backward(bytes)).finally(() => voice.backwardEnd());
  }
  if (sink !== undefined) return relay(reader, (bytes) => sink.write(bytes));
  return own ? relay(reader, () => Promise.resolve()) : undefined;
}

async function transfer(
  settings: ResolvedReceiveOptions,
  source: ByteSource,
  sink: ByteSink,
  statistics: Statistics,
  standby: Prestart,
  watch: (abort: (error: RamferryError) => void) => void,
): Promise<Outcome> {
  standby.arrived();
  const { head, kind } = await recognise(source);
  if (head.length === 0) {
    throw new RamferryError('ERR_STREAM_TRUNCATED', 'the input is empty', {
      offset: 0,
      hint: 'did the sender start?',
    });
  }
  const receiving = openReceiver(kind, {
    source,
    head,
    sink: settings.maxSize === undefined ? sink : new BoundedSink(sink, settings.maxSize),
    ...(settings.maxSize === undefined ? {} : { maxSize: settings.maxSize }),
    threads: settings.decompressThreads,
    memoryLimit: settings.memoryLimit,
    codecBytes: (chunkSize) => codecBytes(settings, chunkSize),
    zstdBinding: settings.zstdBinding ?? '',
    ioTimeout: settings.ioTimeout,
    passThrough: settings.passThrough,
    crew: () => standby.take(),
    onFewer: warnOfFewer(settings, settings.decompressThreads),
    storeMemory: (bytes) => standby.takeStore(bytes),
    statistics,
  });
  watch((error) => receiving.abort(error));
  statistics.setupDone();
  const stopReporting = reportProgress(statistics, settings.onProgress);
  const forget = onAbort(settings.signal, () => {
    receiving.abort(toRamferryError(settings.signal!.reason, 'ERR_INTERRUPTED'));
  });
  try {
    return await receiving.run();
  } finally {
    stopReporting();
    forget();
  }
}
