// What a program that embeds ramferry may use. Everything else is internal and may change without notice.

export { ERROR_CODES, type ErrorCode, type ErrorData, EXIT, RamferryError } from './errors.js';
export { send } from './transfer/send.js';
export { receive } from './transfer/receive.js';
export { inspect, type InspectOptions } from './transfer/inspect/inspect.js';
export type { InspectReport } from './transfer/inspect/report.js';
export type { ReceiveOptions } from './options/receive.js';
export type { SendOptions } from './options/send.js';
export type { Progress, TransferSummary } from './transfer/statistics/summary.js';
export { type BindingReport, describeBindings } from './codec/features.js';
export { type Features, features } from './transfer/features.js';
export { generateImage, type ImageOptions, writeImage } from './image/image.js';
export { parseRate, parseSize } from './units.js';
