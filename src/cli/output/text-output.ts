// A descriptor for text: a terminal, a pipe or a file. It may be slow, stopped, full or closed. One thread of libuv's pool writes
// the text in order, so a blocked write(2) holds that thread and never the event loop. The descriptor's flags stay unchanged,
// because other processes share them.

import fs from 'node:fs';
import { KIB } from '../../units.js';

/** Limit of the queue. Further reports are dropped, so that a stopped terminal cannot fill the memory. */
const MOST_QUEUED_CHARACTERS = 256 * KIB;
/** Pause between two attempts at a non-blocking descriptor that is full. */
const REST_MS = 10;

interface Item {
  readonly text: string;
  readonly done: (error?: Error) => void;
}

export class TextOutput {
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

  /** Whether the descriptor is a regular file, which never blocks for a reader. */
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
