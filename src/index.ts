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
  type FailureStatus,
  isErrorCode,
  isRamferryError,
  RamferryError,
} from './errors.js';

// Transfers.
export { receive, send } from './channels/dispatch.js';
export { migrateGuest } from './hypervisor/qemu/source.js';
export {
  migrateQemu,
  type QemuMigrateHooks,
  type QemuMigrationSummary,
} from './hypervisor/qemu/whole/migrate.js';
export type { QemuRound } from './hypervisor/qemu/whole/rounds.js';
export type { QemuMigrateOptions, TimeoutStrategy } from './options/rows/qemu-migrate.js';
export { receiveGuest } from './hypervisor/qemu/destination.js';
export type { SendOptions } from './options/rows/send.js';
export type { ReceiveOptions } from './options/rows/receive.js';
export type { IncomingOptions, MigrateOptions, QemuGuestOptions } from './options/rows/migrate.js';
export type { LinkOptions, TransferEnds, TransferHooks, TransferOptions } from './options/rows/common.js';
export type { CpuShare, Duration, Format, Method, Rate, Size, Writer } from './options/amounts.js';
export type { CodecName, LevelRange } from './codec/codec.js';
export type {
  Progress,
  SharedMemoryFigures,
  ChannelSummary,
  TransferStatus,
  TransferSummary,
} from './transfer/statistics/summary.js';
export type { LinkBreaks } from './link/resume/breaks.js';
export type { Convergence } from './transfer/statistics/convergence.js';
export type { CodecCounts, PageCounts, PageTally } from './transfer/statistics/counts.js';
export type { AdaptiveReport } from './transfer/adaptive/chooser.js';
export type { Switch } from './transfer/adaptive/switch.js';

// Knowledge of streams, hosts and this installation.
export { inspect, type InspectOptions } from './transfer/inspect/inspect.js';
export type {
  ChunksReport,
  Codecs,
  ForeignReport,
  FrameFigures,
  InspectReport,
  KindReport,
  NativeReport,
  PlainReport,
  Recognised,
  RecordFigures,
  RecordsReport,
  UnitsReport,
  XenReport,
} from './transfer/inspect/report.js';
export type { StreamHeader } from './container/native.js';
export type { XenKind } from './grammar/xen/wrapping.js';
export type { FrameOutline } from './container/frames/outline.js';
export {
  type BindingFeatures,
  type CodecFeatures,
  type Features,
  features,
  type FeaturesOptions,
  type Limit,
} from './transfer/features.js';
export type { GrammarName } from './grammar/grammar.js';
export type { HostLoad } from './os/processor/host-load.js';
export {
  type BindingReport,
  describeBindings,
  type MissingBinding,
  type UsableBinding,
} from './codec/features.js';
export type { BindingTraits } from './codec/binding.js';
export type { BindingInfo } from './codec/codec.js';
export { tune } from './tune/tune.js';
export type { Alternative, CodingFigures, MemoryMakeUp, Probed, TuneResult } from './tune/advice/result.js';
export type { Confidence, Settings } from './tune/advice/recommend.js';
export type { PinnedPlacement, Placement, SharedPlacement } from './tune/advice/placement.js';
export type { Verification, VerifiedRole, VerifiedRun } from './tune/advice/verification.js';
export type { Host, Route, Stage, StretchCost, Threads, Together } from './tune/model/model.js';
export type { LivePrediction } from './tune/model/live.js';
export type { MainCost } from './model/pipeline.js';
export type { Scaling, ScalingPoint } from './tune/model/scaling.js';
export type { Coding } from './tune/measure/codec-rig.js';
export { bench } from './tune/bench/bench.js';
export type { BenchResult, BenchRow, DeltaFigures, Speed } from './tune/bench/result.js';
export type { PeerFigures } from './tune/bench/peers.js';
export type { BenchOptions, MeasuringOptions, TuneOptions } from './options/rows/tune.js';

// Guest memory from a seed, and quantities as people write them.
export { generateImage, type ImageOptions, writeImage } from './image/image.js';
export type { ImageProfile } from './image/profiles.js';
export { parseDuration, parseRate, parseSize } from './units.js';
