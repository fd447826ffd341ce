// Other programs on the same memory, as they are used today. Each compresses a file to a file and back, its start included.
// Programs that are not installed are left out. xapi's pipeline is its two commands with a pipe in front of each.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';

import { childrenCpu } from '../../os/processor/cpu-time.js';
import { GIB } from '../../units.js';

/** Figures of another program. */
export interface PeerFigures {
  /** Its command. */
  readonly name: string;
  /** Guest bytes / encoded bytes. */
  readonly ratio: number;
  /** Guest bytes per second of elapsed time, of the fastest run. */
  readonly compressRate: number;
  /** The same of decompression. */
  readonly decompressRate: number;
  /** Slowest run over fastest run, less 1. */
  readonly spread: number;
  /** Seconds of processor time for a GiB, there and back; NaN where the system does not say. */
  readonly cpuPerGiB: number;
}

interface Peer {
  readonly name: string;
  /** The program that must be installed. */
  readonly needs: string;
  /** Shell commands from standard input to standard output. */
  readonly compress: string;
  readonly decompress: string;
}

function peers(threads: number): Peer[] {
  const nice = 'nice -n 19 ionice -c 3';
  return [
    {
      name: `zstd -1 -T${threads}`,
      needs: 'zstd',
      compress: `zstd -q -1 -T${threads} -c`,
      decompress: 'zstd -q -dc',
    },
    {
      name: `pzstd -1 -p ${threads}`,
      needs: 'pzstd',
      compress: `pzstd -q -1 -p ${threads} -c`,
      decompress: `pzstd -q -p ${threads} -dc`,
    },
    { name: 'lz4 -1', needs: 'lz4', compress: 'lz4 -q -1 -c', decompress: 'lz4 -q -dc' },
    {
      name: `pigz -1 -p ${threads}`,
      needs: 'pigz',
      compress: `pigz -1 -p ${threads} -c`,
      decompress: `pigz -p ${threads} -dc`,
    },
    {
      name: "xapi's pipeline",
      needs: 'zstd',
      compress: `cat | ${nice} zstd -q --fast -c`,
      decompress: `cat | ${nice} zstd -q --decompress --stdout`,
    },
  ];
}

export interface PeerOptions {
  /** Guest memory. */
  readonly file: string;
  readonly scratch: string;
  readonly threads: number;
  readonly repetitions: number;
  readonly onProgress?: (name: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export async function benchPeers(options: PeerOptions): Promise<PeerFigures[]> {
  const found: PeerFigures[] = [];
  for (const peer of peers(options.threads)) {
    if (!(await installed(peer.needs))) continue;
    options.onProgress?.(peer.name);
    found.push(await bench(peer, options));
  }
  return found;
}

async function bench(peer: Peer, options: PeerOptions): Promise<PeerFigures> {
  const { file, scratch, repetitions, signal } = options;
  const packed = join(scratch, 'peer.packed');
  const unpacked = join(scratch, 'peer.unpacked');
  const bytes = fs.statSync(file).size;
  const there: number[] = [];
  const back: number[] = [];
  const cpu = childrenCpu();
  let ratio = NaN;
  for (let run = 0; run < repetitions; run++) {
    signal?.throwIfAborted();
    there.push(await time(peer.compress, file, packed));
    ratio = bytes / fs.statSync(packed).size;
    back.push(await time(peer.decompress, packed, unpacked));
  }
  const used = childrenCpu() - cpu;
  for (const path of [packed, unpacked]) fs.rmSync(path, { force: true });
  return {
    name: peer.name,
    ratio,
    compressRate: bytes / Math.min(...there),
    decompressRate: bytes / Math.min(...back),
    spread: Math.max(...there) / Math.min(...there) - 1,
    cpuPerGiB: used / repetitions / (bytes / GIB),
  };
}

/** Seconds of a shell command from one file to another. */
async function time(command: string, from: string, to: string): Promise<number> {
  const input = fs.openSync(from, 'r');
  const output = fs.openSync(to, 'w', 0o600);
  try {
    const started = performance.now();
    const status = await ended('sh', ['-c', command], input, output);
    if (status !== 0) throw new Error(`${command} ended with status ${status}`);
    return (performance.now() - started) / 1e3;
  } finally {
    fs.closeSync(input);
    fs.closeSync(output);
  }
}

async function installed(program: string): Promise<boolean> {
  return (await ended('sh', ['-c', `command -v ${program}`], 'ignore', 'ignore')) === 0;
}

function ended(
  program: string,
  args: readonly string[],
  input: number | 'ignore',
  output: number | 'ignore',
): Promise<number | null> {
  const child = spawn(program, args, { stdio: [input, output, 'ignore'] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
}
