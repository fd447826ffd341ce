// The journal of a partial output file (docs/FORMAT.md, "The journal of a partial output"): where each chunk lies in the file, and its
// checksum. A later transfer trusts neither file: it reads every chunk again and compares. So no order of writes to the disk matters.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';

import { rangeIsSealed, sealRange } from '../../chunk/checksum.js';
import { writeError } from '../system-error.js';
import { writeAllAt } from './gather.js';

const MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x4a, 0x0d, 0x0a, 0x1a, 0x0a]);
const VERSION = 1;
export const JOURNAL_HEADER_BYTES = 24;
export const JOURNAL_ENTRY_BYTES = 32;

/** A chunk that lies in the file. */
export interface JournalEntry {
  readonly position: number;
  readonly length: number;
  /** XXH64 of the bytes. */
  readonly checksum: bigint;
}

export function journalHeader(): Buffer {
  const out = Buffer.alloc(JOURNAL_HEADER_BYTES);
  MAGIC.copy(out);
  out.writeUInt32LE(VERSION, MAGIC.length);
  sealRange(out, 0, JOURNAL_HEADER_BYTES - 8);
  return out;
}

export function packEntry({ position, length, checksum }: JournalEntry): Buffer {
  const out = Buffer.alloc(JOURNAL_ENTRY_BYTES);
  out.writeBigUInt64LE(BigInt(position), 0);
  out.writeBigUInt64LE(BigInt(length), 8);
  out.writeBigUInt64LE(checksum, 16);
  sealRange(out, 0, JOURNAL_ENTRY_BYTES - 8);
  return out;
}

/** @returns undefined for bytes that are no entry */
function readEntry(bytes: Buffer): JournalEntry | undefined {
  if (bytes.length < JOURNAL_ENTRY_BYTES || !rangeIsSealed(bytes, 0, JOURNAL_ENTRY_BYTES - 8))
    return undefined;
  return {
    position: Number(bytes.readBigUInt64LE(0)),
    length: Number(bytes.readBigUInt64LE(8)),
    checksum: bytes.readBigUInt64LE(16),
  };
}

const ENTRIES_AT_ONCE = 2048;

/** Entries from the start of an open journal, up to the first that is cut or damaged. Holds few of them in memory. */
export function* entriesOf(fd: number): Generator<JournalEntry, void> {
  const block = Buffer.alloc(ENTRIES_AT_ONCE * JOURNAL_ENTRY_BYTES);
  for (let at = JOURNAL_HEADER_BYTES; ; at += block.length) {
    const got = fs.readSync(fd, block, 0, block.length, at);
    for (let begin = 0; begin < block.length; begin += JOURNAL_ENTRY_BYTES) {
      const entry = readEntry(block.subarray(begin, Math.min(got, begin + JOURNAL_ENTRY_BYTES)));
      if (entry === undefined) return;
      yield entry;
    }
  }
}

/** Whether an open file begins as a journal of this version does. */
export function isJournal(fd: number): boolean {
  const head = Buffer.alloc(JOURNAL_HEADER_BYTES);
  fs.readSync(fd, head, 0, head.length, 0);
  return head.equals(journalHeader());
}

/** Appends entries while a transfer runs. Entries that come while a write is under way go out together with the next one. */
export class JournalWriter {
  readonly #fd: number;
  readonly #label: string;
  #position: number;
  #waiting: Buffer[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;

  /** @param entries that the journal has; the writer continues behind them */
  constructor(fd: number, label: string, entries: number) {
    this.#fd = fd;
    this.#label = label;
    this.#position = JOURNAL_HEADER_BYTES + entries * JOURNAL_ENTRY_BYTES;
  }

  /** @throws ERR_OUTPUT_FULL or ERR_OUTPUT_WRITE of an earlier write */
  add(entry: JournalEntry): void {
    if (this.#failure !== undefined) throw writeError(this.#label, this.#failure);
    this.#waiting.push(packEntry(entry));
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const pieces = this.#waiting;
        this.#waiting = [];
        this.#position += await writeAllAt(this.#fd, pieces, this.#position);
      }
    } catch (thrown) {
      this.#failure = thrown;
    }
    this.#writing = undefined;
  }

  /** Resolves when all entries are written, or a write has failed. Never rejects. */
  async settle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }
}
