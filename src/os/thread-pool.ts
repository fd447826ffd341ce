// How many threads libuv's pool has, on which codecs without a synchronous call run. Only the environment says (UV_THREADPOOL_SIZE), so
// the command reads it, and a program that embeds ramferry counts as having the default.

/** libuv's default. */
const DEFAULT_SIZE = 4;

let size = DEFAULT_SIZE;

/** @param text the value of UV_THREADPOOL_SIZE; undefined leaves the default */
export function setThreadPoolSize(text: string | undefined): void {
  if (text !== undefined) size = Number(text);
}

export function threadPoolSize(): number {
  return size;
}
