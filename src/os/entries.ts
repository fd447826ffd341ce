// Paths of package.json and of all programs that run in a thread or process of their own. Only this file names them, because the
// paths are relative to a file two folders deep: dist/src/os/ when compiled, bundle/src/chunks/ when bundled (scripts/bundle.mjs).

const at = (path: string): URL => new URL(path, import.meta.url);

export const COMPRESS_ENTRY = at('../../workers/compress.js');
export const DECOMPRESS_ENTRY = at('../../workers/decompress.js');
export const SHARED_ENTRY = at('../../workers/shared.js');
export const SCAN_ENTRY = at('../../workers/scan.js');
export const COMMAND_ENTRY = at('../../src/cli/main.js');
export const TUNE_ENTRY = at('../../src/tune/measure/engine-child.js');
export const SHARD_ENTRY = at('../../src/serve/shards/shard-main.js');
export const WATCHDOG_ENTRY = at('../../src/hypervisor/qemu/watchdog-main.js');
export const PACKAGE_JSON = at('../../../package.json');
