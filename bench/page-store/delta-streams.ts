// The streams of the delta suite: snapshots of one guest as the rounds of one migration, and a simulated guest whose
// program writes. Each is written once, to a file. The same options give the same bytes.

import { chmodSync, closeSync, copyFileSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

import { createGuest } from '../../src/guest/guest.js';
import type { WritePattern } from '../../src/options/amounts.js';
import { machinePages, q35Machine } from '../../src/guest/stream/qemu-machine.js';
import { QemuWriter } from '../../src/guest/stream/qemu-writer.js';
import { GuestRam } from '../../src/guest/ram.js';
import { sendGuest } from '../../src/guest/send.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { fileSink } from '../support/guest-file.js';
import { walkPages } from '../support/stream-pages.js';

const BATCH = 1024;

/** Writes a QEMU stream. Its first round is the first snapshot, its later rounds are the changed pages. */
export async function writeRounds(path: string, snapshots: readonly string[]): Promise<void> {
  const machine = q35Machine(statSync(snapshots[0]!).size, 1);
  const ram = new GuestRam(machinePages(machine));
  const sink = fileSink(path);
  const writer = new QemuWriter(sink, ram, machine);
  await writer.begin();
  for (const [number, snapshot] of snapshots.entries()) {
    const changed = takeOver(ram, snapshot);
    const due = number === 0 ? Uint32Array.from({ length: writer.frames }, (_, page) => page) : changed;
    await writer.beginRound(false);
    for (let at = 0; at < due.length; at += BATCH) await writer.pages(due.subarray(at, at + BATCH));
    await writer.endRound();
  }
  await writer.beginRound(true);
  await writer.endRound();
  await writer.finish(undefined);
  await sink.finish();
}

/** Copies a snapshot into RAM. @returns the pages that differed */
function takeOver(ram: GuestRam, snapshot: string): Uint32Array {
  const fd = openSync(snapshot, 'r');
  const old = Buffer.alloc(PAGE_BYTES);
  const block = Buffer.alloc(BATCH * PAGE_BYTES);
  const changed: number[] = [];
  for (let page = 0; ;) {
    const got = readSync(fd, block, 0, block.length, page * PAGE_BYTES);
    if (got === 0) break;
    for (let at = 0; at < got; at += PAGE_BYTES, page++) {
      ram.copyPage(page, old, 0);
      const now = block.subarray(at, at + PAGE_BYTES);
      if (old.equals(now)) continue;
      ram.write(page, now);
      changed.push(page);
    }
  }
  closeSync(fd);
  return Uint32Array.from(changed);
}

/** Writes the stream up to the first page that is sent again. @returns number of such pages; 0 = no file was written */
export async function writeOnce(path: string, stream: string): Promise<number> {
  const seen = new Set<number>();
  let first: number | undefined;
  let again = 0;
  await walkPages(stream, ({ offset, count, identity }) => {
    if (identity < 0) return;
    for (let page = 0; page < count; page++) {
      if (seen.has(identity + page)) {
        first ??= offset + page * PAGE_BYTES;
        again++;
      }
      seen.add(identity + page);
    }
  });
  if (first === undefined) return 0;
  copyFileSync(stream, path);
  // Recorded streams may be read-only.
  chmodSync(path, 0o600);
  truncateSync(path, first);
  return again;
}

export interface Load {
  /** Size of the guest in bytes. */
  readonly bytes: number;
  readonly pattern: WritePattern;
  /** Bytes of the working set. The program writes all of it in each round. */
  readonly workingSet: number;
  /** Live rounds. One stop-and-copy round follows them. */
  readonly rounds: number;
}

/** Writes a QEMU stream of a booted guest in which this program runs. */
export async function writeLoad(path: string, { bytes, pattern, workingSet, rounds }: Load): Promise<void> {
  const guest = await createGuest({ format: 'qemu', memory: { bytes, profile: 'idle' }, seed: 1 });
  const pages = workingSet / PAGE_BYTES;
  await sendGuest({ source: undefined, sink: fileSink(path), duplex: false }, guest, {
    policy: { kind: 'fixed', rounds },
    load: {
      pattern,
      workingSetPages: pages,
      firstPage: Math.min(Math.floor(guest.mainPages / 4), guest.mainPages - pages),
      seed: 1,
      rate: { pagesPerRound: pages },
    },
  });
}
