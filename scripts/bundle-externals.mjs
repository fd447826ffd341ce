// Packages that the bundle loads from node_modules: machine code, a page's script, a log's writer, metrics, the operator's tracing.

export const EXTERNAL = [
  '@opentelemetry/api',
  'zstd-napi',
  '@mongodb-js/zstd',
  'lz4-napi',
  'koffi',
  '@napi-rs/nice',
  '@node-rs/xxhash',
  'pino',
  'prom-client',
  'chart.js',
];
