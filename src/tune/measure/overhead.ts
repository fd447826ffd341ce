// What the engine costs besides its workers: the main threads of both sides, by byte on the link, by chunk and by byte of guest
// memory. Measured with real transfers between two processes; the transfers differ in one of these amounts each.

import fs from 'node:fs';

import { KIB, MIB } from '../../units.js';
import { REFERENCE } from './measurements.js';
import type { Writer } from '../../options/amounts.js';
import { timeSend } from './commands.js';
import { EngineChild, type Side, transferBetween } from './engine.js';
import type { MainCost } from '../../model/pipeline.js';
import type { CommandTime } from '../model/costs.js';
import { makeTestImages, type TestImage } from './test-images.js';

interface Setting {
  readonly image: TestImage;
  readonly chunkSize: number;
}

/** Each differs from another in one thing. They run without compression: main threads do the same with any codec. */
const SETTINGS = {
  usual: { image: 'zeros', chunkSize: MIB },
  small: { image: 'zeros', chunkSize: 256 * KIB },
  short: { image: 'fewZeros', chunkSize: MIB },
  full: { image: 'random', chunkSize: MIB },
} as const satisfies Record<string, Setting>;
type SettingName = keyof typeof SETTINGS;

/**
 * Memory limit of the receiver: too little for warm-up and page store (src/transfer/prestart/warm-up.ts), enough for chunks of 1 MiB.
 * The process is warm already, and an image has no use for a page store; their memory would be missing elsewhere.
 */
const RECEIVER_MEMORY = '126MiB';
const MOST_PASSES = 4;
/** Starts of the command that are timed; the fastest counts. */
const STARTS = 2;

export interface OverheadOptions {
  /** A regular file with a part of the sample. */
  readonly file: string;
  /** Where the receiver writes: `socket` stands for a hypervisor. */
  readonly writer: Writer;
  readonly scratch: string;
  /** When to stop repeating, by performance.now(). The first pass warms up and does not count. */
  readonly deadline: number;
  /** After this time there is no second pass, and no second start of the command. */
  readonly latest: number;
  /** On a host that is too busy, settings without a first pass are left out after this time. */
  readonly giveUp: number;
  /** Share of the test images' usual size: less for a short budget. */
  readonly imageShare?: number;
  readonly signal?: AbortSignal | undefined;
  readonly zstdBinding?: string | undefined;
}

/** The least that a setting cost, both sides. */
export interface SettingCost {
  readonly guestBytes: number;
  readonly wireBytes: number;
  readonly chunks: number;
  readonly sender: Pick<Side, 'own' | 'others'>;
  readonly receiver: Pick<Side, 'own' | 'others'>;
}

export type SettingCosts = Readonly<Record<SettingName, SettingCost>>;

export interface Settings {
  /** Settings without a pass have the figures of another: their differences then cost nothing. */
  readonly costs: SettingCosts;
  /** Every setting had a pass. */
  readonly complete: boolean;
  /** The whole command `send` with the reference coding and one thread, from its start to its exit, over the part of the sample. */
  readonly command: CommandTime;
  /** Seconds of processor time that the reader of the restored bytes needs for a byte of guest memory. */
  readonly takerPerByte: number;
}

export async function measureSettings(options: OverheadOptions): Promise<Settings> {
  const { writer, scratch } = options;
  const children = [new EngineChild(), new EngineChild(), new EngineChild()] as const;
  const [sender, receiver, reader] = children;
  const images = makeTestImages(scratch, options.imageShare);
  try {
    await Promise.all(children.map((child) => child.expect('ready')));
    let output = '/dev/null';
    if (writer === 'file') output = `${scratch}/received`;
    if (writer === 'socket') {
      reader.ask({ kind: 'drain' });
      output = (await reader.expect('listening')).address;
    }
    const found = new Map<SettingName, SettingCost>();
    const taken = await cpuOf(reader);
    let delivered = 0;
    const settings = Object.entries(SETTINGS) as [SettingName, Setting][];
    const late = (): boolean => found.size > 0 && performance.now() > options.giveUp;
    for (let pass = 0; pass < MOST_PASSES && !late(); pass++) {
      if (pass > 1 && performance.now() > options.deadline) break;
      if (pass === 1) {
        if (performance.now() > options.latest) break;
        found.clear();
      }
      for (const [name, { image, chunkSize }] of settings) {
        options.signal?.throwIfAborted();
        if (late()) break;
        const result = await transferBetween(
          sender,
          receiver,
          { input: images.paths[image], codec: 'none', chunkSize, compressThreads: 1 },
          { output, decompressThreads: 1, force: true, oneWay: false, memoryLimit: RECEIVER_MEMORY },
        );
        const { summary } = result.sender;
        delivered += summary.ram.total;
        const before = found.get(name);
        found.set(name, {
          guestBytes: summary.ram.total,
          wireBytes: summary.ram.transferred,
          chunks: summary.chunks.total,
          sender: least(result.sender, before?.sender),
          receiver: least(result.receiver, before?.receiver),
        });
      }
    }
    const takerPerByte = writer === 'socket' ? ((await cpuOf(reader)) - taken) / delivered : 0;
    // The command needs its memory.
    await sender.close();
    const command = await fastestCommand(receiver, options, output);
    const complete = found.size === settings.length;
    const [any] = found.values();
    for (const [name] of settings) if (!found.has(name)) found.set(name, any!);
    return { costs: Object.fromEntries(found) as SettingCosts, complete, command, takerPerByte };
  } finally {
    images.remove();
    await Promise.all(children.map((child) => child.close()));
    fs.rmSync(`${scratch}/received`, { force: true });
  }
}

async function cpuOf(child: EngineChild): Promise<number> {
  child.ask({ kind: 'cpu' });
  return (await child.expect('cpu')).seconds;
}

/** The fastest of some starts of the command. */
async function fastestCommand(
  receiver: EngineChild,
  { file, latest }: OverheadOptions,
  output: string,
): Promise<CommandTime> {
  const command = { wall: Infinity, cpu: Infinity };
  for (let start = 0; start < STARTS; start++) {
    if (start > 0 && performance.now() > latest) break;
    const { wall, cpu } = await timeCommand(receiver, file, output);
    command.wall = Math.min(command.wall, wall);
    command.cpu = Math.min(command.cpu, cpu);
  }
  return command;
}

/** The command line as users start it, with all modules that it loads. */
async function timeCommand(receiver: EngineChild, file: string, output: string): Promise<CommandTime> {
  receiver.ask({
    kind: 'receive',
    options: {
      ...{ input: 'tcp-listen:127.0.0.1:0', output, decompressThreads: 1, force: true },
      memoryLimit: RECEIVER_MEMORY,
    },
  });
  const { address } = await receiver.expect('listening');
  const { codec, level, chunkSize } = REFERENCE;
  const options = ['--codec', codec, '--compress-level', String(level), '--chunk-size', String(chunkSize)];
  const time = await timeSend(['--compress-threads', '1', ...options, file, address]);
  await receiver.expect('done');
  return time;
}

function least(side: Side, before: Pick<Side, 'own' | 'others'> | undefined): Pick<Side, 'own' | 'others'> {
  return {
    own: Math.min(side.own, before?.own ?? Infinity),
    others: Math.min(side.others, before?.others ?? Infinity),
  };
}

/**
 * Solves for the costs; none of them is negative. One-time costs of a transfer cancel out: they are part of the start-up.
 */
export function mainCost(settings: SettingCosts, side: 'sender' | 'receiver'): MainCost {
  const { usual, small, short, full } = settings;
  const own = (setting: SettingCost): number => setting[side].own;
  const perWireByte = costOfOne(own(full) - own(short), full.wireBytes - short.wireBytes);
  const moreWire = (small.wireBytes - usual.wireBytes) * perWireByte;
  const perChunk = costOfOne(own(small) - own(usual) - moreWire, small.chunks - usual.chunks);
  const known = (setting: SettingCost): number => perWireByte * setting.wireBytes + perChunk * setting.chunks;
  const longer = own(usual) - own(short) - (known(usual) - known(short));
  return { perWireByte, perChunk, perGuestByte: costOfOne(longer, usual.guestBytes - short.guestBytes) };
}

/** Cost of one of so many. */
function costOfOne(seconds: number, count: number): number {
  return count > 0 ? Math.max(0, seconds) / count : 0;
}
