// Where the programs that run in threads and processes of their own lie, and package.json. Relative to a file two
// folders deep: dist/src/os/ as compiled, bundle/src/chunks/ as bundled (scripts/bundle.mjs). So all of them
// are named here and nowhere else.

const at = (path: string): URL => new URL(path, import.meta.url);

export const COMPRESS_ENTRY = at('../../workers/compress.js');
export const DECOMPRESS_ENTRY = at('../../workers/decompress.js');
export const SCAN_ENTRY = at('../../workers/scan.js');
export const COMMAND_ENTRY = at('../../src/cli/main.js');
export const TUNE_ENTRY = at('../../src/tune/measure/engine-child.js');
export const WATCHDOG_ENTRY = at('../../src/hypervisor/qemu/watchdog-main.js');
export const PACKAGE_JSON = at('../../../package.json');
