// The number of threads in libuv's pool, on which codecs without a synchronous call run. It is known only from the environment
// variable UV_THREADPOOL_SIZE. The ramferry command reads it; in a program that embeds ramferry the default is assumed.

/** libuv's default. */
const DEFAULT_SIZE = 4;

let size = DEFAULT_SIZE;

/** @param text the value of UV_THREADPOOL_SIZE; a text that is no positive integer counts as unset, which is the default */
export function setThreadPoolSize(text: string | undefined): void {
  const isPositive = text !== undefined && /^\d+$/.test(text) && Number(text) > 0;
  size = isPositive ? Number(text) : DEFAULT_SIZE;
}

export function threadPoolSize(): number {
  return size;
}
