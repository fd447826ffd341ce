// The compared configurations: ramferry around a plain QEMU migration, and QEMU 7.2's own methods. Plain data. All
// configurations have the same number of compression threads or channels.

const THREADS = 2;

export interface Cell {
  readonly name: string;
  /** Options of `ramferry send`; undefined for a connection from QEMU to QEMU, and with `serve`. */
  readonly send?: readonly string[];
  /** Options of the source's `ramferry serve`; a server runs at each end for all runs of the cell. */
  readonly serve?: readonly string[];
  /** QEMU's capabilities, on both sides. */
  readonly capabilities: readonly string[];
  readonly parameters: Readonly<Record<string, string | number>>;
}

function ferry(name: string, ...options: readonly string[]): Cell {
  const send = ['--method', 'xenguest', '--compress-threads', String(THREADS), ...options];
  return { name, send, capabilities: [], parameters: {} };
}

function server(name: string, ...options: readonly string[]): Cell {
  return {
    name,
    serve: ['--threads', String(THREADS), ...options],
    capabilities: [],
    parameters: {},
  };
}

/** Configurations by name, as in `--cells`. */
export const CELLS: Readonly<Record<string, Cell>> = {
  ramferry: ferry('ramferry, zstd 1', '--compress-level', '1'),
  'ramferry-adaptive': ferry('ramferry, adaptive'),
  'ramferry-lz4': ferry('ramferry, lz4', '--codec', 'lz4'),
  serve: server('ramferry serve, adaptive'),
  'serve-zstd': server('ramferry serve, zstd 1', '--codec', 'zstd', '--compress-level', '1'),
  none: { name: 'QEMU, none', capabilities: [], parameters: {} },
  'ramferry-no-store': ferry(
    'ramferry, zstd 1, no page store',
    ...['--compress-level', '1', '--xbzrle-cache-size', '0'],
  ),
  // 64 MiB, the default of the page store. QEMU requires a power of two.
  xbzrle: {
    name: 'QEMU, xbzrle',
    capabilities: ['xbzrle'],
    parameters: { 'xbzrle-cache-size': 64 * 1024 * 1024 },
  },
  compress: {
    name: 'QEMU, compress (zlib 1)',
    capabilities: ['compress'],
    parameters: { 'compress-threads': THREADS, 'decompress-threads': THREADS, 'compress-level': 1 },
  },
  multifd: {
    name: 'QEMU, multifd zstd 1',
    capabilities: ['multifd'],
    parameters: { 'multifd-channels': THREADS, 'multifd-compression': 'zstd', 'multifd-zstd-level': 1 },
  },
};
