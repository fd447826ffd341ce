// A descriptor for text that may be slow, stopped, full or closed: a terminal, a pipe, a file. Text is written in order, by
// one thread of libuv's pool at a time, so a blocked write(2) holds that thread and never the event loop. The flags of the
// descriptor stay as they are: other processes use it too.

import fs from 'node:fs';

/** Reports beyond this are dropped: a stopped terminal must not fill the memory. */
const MOST_QUEUED_CHARACTERS = 256 * 1024;
/** Between two attempts at a non-blocking descriptor that is full. */
const REST_MS = 10;

interface Item {
  readonly text: string;
  readonly done: (error?: Error) => void;
}

export class Outlet {
  readonly #fd: number;
  readonly #queue: Item[] = [];
  #queued = 0;
  #writing: Promise<void> | undefined;
  #direct: boolean | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Queues the text; drops it when the queue is full or the write fails. */
  offer(text: string): void {
    if (this.#writing === undefined && this.#writesAtOnce()) {
      try {
        fs.writeSync(this.#fd, text);
      } catch {
        // Only the report is lost.
      }
      return;
    }
    if (this.#queued + text.length > MOST_QUEUED_CHARACTERS) return;
    this.#push({ text, done: () => undefined });
  }

  /** Resolves when all of the text is written; rejects with the system's error. */
  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#push({ text, done: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }

  /** Resolves when the queue is empty. */
  async empty(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Regular files never block for a reader. */
  #writesAtOnce(): boolean {
    try {
      return (this.#direct ??= fs.fstatSync(this.#fd).isFile());
    } catch {
      return (this.#direct = true);
    }
  }

  #push(item: Item): void {
    this.#queue.push(item);
    this.#queued += item.text.length;
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      item.done(await this.#writeAll(Buffer.from(item.text)));
      this.#queued -= item.text.length;
    }
    this.#writing = undefined;
  }

  async #writeAll(bytes: Buffer): Promise<Error | undefined> {
    for (let at = 0; at < bytes.length;) {
      const result = await new Promise<number | NodeJS.ErrnoException>((resolve) => {
        fs.write(this.#fd, bytes, at, bytes.length - at, null, (error, count) => resolve(error ?? count));
      });
      if (typeof result === 'number') at += result;
      else if (result.code === 'EAGAIN') await new Promise((resolve) => setTimeout(resolve, REST_MS));
      else return result;
    }
    return undefined;
  }
}
