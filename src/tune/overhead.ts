// What the engine costs besides its workers: the main threads of both sides, by byte on the link, by chunk and by byte of
// guest memory. Measured with real transfers of a part of the sample between two processes, at settings that differ in one
// of those amounts each.

import fs from 'node:fs';

import type { SendOptions } from '../migration/options.js';
import { timeSend } from './commands.js';
import { EngineChild, type Side, transferBetween } from './engine.js';
import type { Coding } from './rig.js';

/** Seconds of the main thread's processor time. */
export interface MainCost {
  readonly perWireByte: number;
  readonly perChunk: number;
  readonly perGuestByte: number;
}

const KIB = 1024;

interface Setting extends Coding {
  /** Of the part of the sample that is transferred. */
  readonly share: number;
}

/** A short transfer is this much of a long one. */
export const SHORT_SHARE = 1 / 4;

/** The first is what the others differ from, each in one thing: bytes on the link, chunks, length. */
const SETTINGS: readonly Setting[] = [
  { codec: 'zstd', level: 1, chunkSize: 1024 * KIB, share: 1 },
  { codec: 'none', level: 1, chunkSize: 1024 * KIB, share: 1 },
  { codec: 'zstd', level: 1, chunkSize: 256 * KIB, share: 1 },
  { codec: 'zstd', level: 1, chunkSize: 1024 * KIB, share: SHORT_SHARE },
];
const MOST_PASSES = 4;
/** Starts of the command that are timed; the fastest counts. */
const STARTS = 2;

export interface OverheadOptions {
  /** A regular file with a part of the sample, and one with the first quarter of that. */
  readonly file: string;
  readonly shortFile: string;
  /** Where the receiver writes: `socket` stands for a hypervisor. */
  readonly writer: Writer;
  readonly scratch: string;
  /** When to stop repeating, by performance.now(). The first pass warms up and does not count. */
  readonly deadline: number;
  /** When the first pass must do. */
  readonly latest: number;
  readonly signal?: AbortSignal | undefined;
  readonly zstdBinding?: string | undefined;
}

export const WRITERS = ['socket', 'file', 'discard'] as const;
export type Writer = (typeof WRITERS)[number];

/** The least that a setting cost, both sides. */
export interface SettingCost {
  readonly coding: Coding;
  readonly guestBytes: number;
  readonly wireBytes: number;
  readonly chunks: number;
  readonly sender: Pick<Side, 'own' | 'others'>;
  readonly receiver: Pick<Side, 'own' | 'others'>;
}

export interface Settings {
  readonly costs: readonly SettingCost[];
  /** Seconds of the whole command `send`, over the first of the settings, from its start to its exit. */
  readonly command: number;
  /** Seconds of processor time for a byte of guest memory of the program that takes the restored bytes. */
  readonly takerPerByte: number;
}

export async function measureSettings(options: OverheadOptions): Promise<Settings> {
  const { writer, scratch } = options;
  const children = [new EngineChild(), new EngineChild(), new EngineChild()] as const;
  const [sender, receiver, reader] = children;
  try {
    await Promise.all(children.map((child) => child.expect('ready')));
    let output = '/dev/null';
    if (writer === 'file') output = `${scratch}/received`;
    if (writer === 'socket') {
      reader.ask({ kind: 'drain' });
      output = (await reader.expect('listening')).address;
    }
    const found: SettingCost[] = [];
    const taken = await cpuOf(reader);
    let delivered = 0;
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      if (pass > 1 && performance.now() > options.deadline) break;
      if (pass === 1) {
        if (performance.now() > options.latest) break;
        found.length = 0;
      }
      for (const [index, coding] of SETTINGS.entries()) {
        options.signal?.throwIfAborted();
        const send: Omit<SendOptions, 'output' | 'signal' | 'onProgress' | 'onListening' | 'onWarning'> = {
          input: coding.share === 1 ? options.file : options.shortFile,
          codec: coding.codec,
          compressLevel: coding.level,
          chunkSize: coding.chunkSize,
          compressThreads: 1,
          ...(options.zstdBinding === undefined ? {} : { zstdBinding: options.zstdBinding }),
        };
        const result = await transferBetween(sender, receiver, send, {
          output,
          decompressThreads: 1,
          force: true,
          oneWay: false,
        });
        const { summary } = result.sender;
        delivered += summary.ram.total;
        const before = found[index];
        found[index] = {
          coding,
          guestBytes: summary.ram.total,
          wireBytes: summary.ram.transferred,
          chunks: summary.chunks.total,
          sender: least(result.sender, before?.sender),
          receiver: least(result.receiver, before?.receiver),
        };
      }
    }
    const takerPerByte = writer === 'socket' ? ((await cpuOf(reader)) - taken) / delivered : 0;
    // Its memory is wanted by the command.
    await sender.close();
    let command = Infinity;
    for (let start = 0; start < STARTS; start++) {
      command = Math.min(command, await timeCommand(receiver, options.file, output));
    }
    return { costs: found, command, takerPerByte };
  } finally {
    await Promise.all(children.map((child) => child.close()));
    fs.rmSync(`${scratch}/received`, { force: true });
  }
}

async function cpuOf(child: EngineChild): Promise<number> {
  child.ask({ kind: 'cpu' });
  return (await child.expect('cpu')).seconds;
}

/** The command line as users start it, with all that it loads. */
async function timeCommand(receiver: EngineChild, file: string, output: string): Promise<number> {
  receiver.ask({
    kind: 'receive',
    options: { input: 'tcp-listen:127.0.0.1:0', output, decompressThreads: 1, force: true },
  });
  const { address } = await receiver.expect('listening');
  const { codec, level, chunkSize } = SETTINGS[0]!;
  const options = ['--codec', codec, '--compress-level', String(level), '--chunk-size', String(chunkSize)];
  const seconds = await timeSend(['--compress-threads', '1', ...options, file, address]);
  await receiver.expect('done');
  return seconds;
}

function least(side: Side, before: Pick<Side, 'own' | 'others'> | undefined): Pick<Side, 'own' | 'others'> {
  return {
    own: Math.min(side.own, before?.own ?? Infinity),
    others: Math.min(side.others, before?.others ?? Infinity),
  };
}

/**
 * Solves for the costs; none of them is negative. What a transfer costs once, however long it is, falls out: it is part
 * of the start-up.
 */
export function mainCost(settings: readonly SettingCost[], side: 'sender' | 'receiver'): MainCost {
  const [usual, stored, small, short] = settings as [SettingCost, SettingCost, SettingCost, SettingCost];
  const own = (setting: SettingCost): number => setting[side].own;
  const perWireByte = each(own(stored) - own(usual), stored.wireBytes - usual.wireBytes);
  const moreWire = (small.wireBytes - usual.wireBytes) * perWireByte;
  const perChunk = each(own(small) - own(usual) - moreWire, small.chunks - usual.chunks);
  const known = (setting: SettingCost): number => perWireByte * setting.wireBytes + perChunk * setting.chunks;
  const longer = own(usual) - own(short) - (known(usual) - known(short));
  return { perWireByte, perChunk, perGuestByte: each(longer, usual.guestBytes - short.guestBytes) };
}

/** What one of them costs. Small or uniform samples may not differ in what is asked: it cannot matter much there. */
function each(seconds: number, count: number): number {
  return count > 0 ? Math.max(0, seconds) / count : 0;
}
