/**
 * Compression and transfer of virtual machines' migration streams and RAM images, for programs on Node.js.
 *
 * {@link send} reads a stream and writes it compressed, {@link receive} restores the identical bytes. Both take addresses
 * (`tcp:host:port`, `unix-listen:/path`, a file) or Node's streams, and resolve with a {@link TransferSummary}. Everything that is
 * refused or fails rejects with a {@link RamferryError}, whose `code` says what it was.
 *
 * The library leaves the process alone: it reads no environment variables and sets neither V8 flags nor the umask. Several
 * transfers may run side by side, also in worker threads; each has threads and a memory limit of its own.
 *
 * @example
 * ```ts
 * import { isRamferryError, receive, send } from 'ramferry';
 *
 * try {
 *   const sent = await send({ input: 'guest.ram', output: 'guest.rf', compressLevel: 3 });
 *   console.log(`${sent.ram.total} bytes became ${sent.ram.transferred}`);
 *   await receive({ input: 'guest.rf', output: 'restored.ram' });
 * } catch (thrown) {
 *   if (!isRamferryError(thrown)) throw thrown;
 *   console.error(thrown.code, thrown.message, thrown.hint ?? '');
 * }
 * ```
 *
 * What this module does not export is internal and may change without notice.
 *
 * @packageDocumentation
 */

export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorData,
  type ErrorOptions,
  type ErrorPlace,
  EXIT,
  isErrorCode,
  isRamferryError,
  RamferryError,
} from './errors.js';

// Transfers.
export { send } from './transfer/send.js';
export { receive } from './transfer/receive.js';
export { migrateGuest } from './hypervisor/qemu/source.js';
export { receiveGuest } from './hypervisor/qemu/destination.js';
export type { SendOptions } from './options/send.js';
export type { ReceiveOptions } from './options/receive.js';
export type { IncomingOptions, MigrateOptions, QemuGuestOptions } from './options/migrate.js';
export type { LinkOptions, TransferEnds, TransferHooks, TransferOptions } from './options/common.js';
export type { CpuShare, Duration, Format, Method, Rate, Size, Writer } from './options/amounts.js';
export type { CodecName, LevelRange } from './codec/codec.js';
export type {
  Progress,
  SharedMemoryFigures,
  TransferStatus,
  TransferSummary,
} from './transfer/statistics/summary.js';
export type { Convergence } from './transfer/statistics/convergence.js';
export type { CodecCounts, PageCounts } from './transfer/statistics/counts.js';
export type { AdaptiveReport } from './transfer/adaptive/chooser.js';
export type { Switch } from './transfer/adaptive/controller.js';

// Knowledge of streams, hosts and this installation.
export { inspect, type InspectOptions } from './transfer/inspect/inspect.js';
export type { InspectReport } from './transfer/inspect/report.js';
export { type Features, features, type FeaturesOptions } from './transfer/features.js';
export { type BindingReport, describeBindings } from './codec/features.js';
export { tune } from './tune/tune.js';
export type { TuneResult } from './tune/advice/result.js';
export { bench } from './tune/bench/bench.js';
export type { BenchResult } from './tune/bench/result.js';
export type { BenchOptions, MeasuringOptions, TuneOptions } from './options/tune.js';

// Guest memory from a seed, and quantities as people write them.
export { generateImage, type ImageOptions, type ImageProfile, writeImage } from './image/image.js';
export { parseDuration, parseRate, parseSize } from './units.js';
