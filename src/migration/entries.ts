// Where the worker entry points are, seen from the compiled code.

export const COMPRESS_ENTRY = new URL('../../workers/compress.js', import.meta.url);
export const DECOMPRESS_ENTRY = new URL('../../workers/decompress.js', import.meta.url);
export const SCAN_ENTRY = new URL('../../workers/scan.js', import.meta.url);
