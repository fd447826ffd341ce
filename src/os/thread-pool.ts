// The number of threads in libuv's pool, on which codecs without a synchronous call run. It is known only from the environment
// variable UV_THREADPOOL_SIZE. The ramferry command reads it; in a program that embeds ramferry the default is assumed.

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
