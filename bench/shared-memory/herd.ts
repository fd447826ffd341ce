// One guest with shared RAM that migrates from QEMU to QEMU under load. Starts machines, migrates the guest and checks
// its memory and its counter.

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { generateImage } from '../../src/index.js';
import type { PageCounts } from '../../src/transfer/statistics/counts.js';
import { scratchDirectory, undoLater } from '../../lab/cleanup.js';
import { keepConsoles } from '../../lab/qemu/consoles.js';
import { Ferry } from '../../lab/ferry.js';
import { buildInitramfs, findKernel } from '../../lab/qemu/initramfs.js';
import { Machine } from '../../lab/qemu/machine.js';
import { MIB } from '../../src/units.js';

/** Folder of the RAM files, in memory. QEMU maps them, ramferry reads them. */
const SHARED = '/dev/shm';

/** A machine with its RAM file. */
export interface Member {
  readonly machine: Machine;
  readonly ram: string;
}

export interface Passage {
  /** Milliseconds as reported by ramferry. */
  readonly total: number;
  readonly downtime: number;
  readonly lastRound: number;
  /** Milliseconds per GiB. */
  readonly finalScan: number;
  /** Milliseconds from QEMU's STOP to QEMU's RESUME. */
  readonly seen: number;
  readonly rounds: number;
  readonly linkBytes: number;
  /** Non-zero pages sent, and the number of them sent as deltas or as unchanged. */
  readonly sentPages: number;
  readonly delta: number;
  readonly same: number;
}

interface Summary {
  readonly 'total-time': number;
  readonly downtime: number;
  readonly ram: { readonly transferred: number };
  readonly pages: PageCounts;
  readonly 'shared-memory': {
    readonly rounds: number;
    readonly 'last-round': number;
    readonly 'final-scan-per-gib': number;
    readonly verified?: boolean;
  };
}

export class Herd {
  readonly #scratch = scratchDirectory();
  readonly #shared = mkdtempSync(join(SHARED, 'ramferry-'));
  readonly #initrd = join(this.#scratch.path, 'initrd');
  readonly #kernel = findKernel()!;
  readonly #memoryKiB: number;
  readonly #both: readonly string[];
  readonly #load: string;
  #count = 0;
  #guest: Member | undefined;

  /**
   * @param load command for the guest's load: 'dirty 16 64' writes 10 MiB/s into a file of 4 MiB
   * @param both options of both sides
   */
  constructor(memoryMiB: number, load: string, both: readonly string[]) {
    this.#load = load;
    this.#both = both;
    this.#memoryKiB = memoryMiB * 1024 - 8;
    undoLater(() => rmSync(this.#shared, { recursive: true, force: true }));
    const seed = Buffer.concat([...generateImage({ bytes: 16 * MIB, seed: 11, profile: 'busy' })]);
    writeFileSync(this.#initrd, buildInitramfs({ seed }));
  }

  /** The machine that runs the guest. Boots and loads one when there is none. */
  async guest(): Promise<Member> {
    if (this.#guest === undefined) {
      this.#guest = await this.start();
      await this.#guest.machine.says(/^tick /m);
      await this.#guest.machine.ask(this.#load);
    }
    return this.#guest;
  }

  /** Starts a machine that boots, or one that waits for a guest. */
  async start(incoming?: 'defer'): Promise<Member> {
    const name = `vm${this.#count++}`;
    const ram = join(this.#shared, name);
    const fd = openSync(ram, 'wx', 0o600);
    ftruncateSync(fd, this.#memoryKiB * 1024);
    closeSync(fd);
    const machine = await Machine.start({
      ...{ name, directory: this.#scratch.path, kernel: this.#kernel, initrd: this.#initrd },
      ...{ memoryKiB: this.#memoryKiB, incoming, sharedRam: ram },
    });
    return { machine, ram };
  }

  async end(member: Member): Promise<void> {
    await member.machine.dispose();
    rmSync(member.ram, { force: true });
  }

  /** Records that the guest now runs in another machine, and disposes of the old one. */
  async handedOver(to: Member): Promise<void> {
    const from = this.#guest;
    this.#guest = to;
    if (from !== undefined) await this.end(from);
  }

  async restart(): Promise<void> {
    if (this.#guest !== undefined) await this.end(this.#guest);
    this.#guest = undefined;
  }

  async dispose(): Promise<void> {
    await this.restart();
    rmSync(this.#shared, { recursive: true, force: true });
    this.#scratch.remove();
  }

  /** Starts both sides of ramferry. The source side connects to `link` if it is given, otherwise to the destination side. */
  async ferries(
    source: Member,
    destination: Member,
    options: readonly string[],
    link: (address: string) => Promise<string> = (address) => Promise.resolve(address),
  ): Promise<{ readonly incoming: Ferry; readonly migrate: Ferry }> {
    const ends = (member: Member): string[] => [
      ...['--qmp', `unix:${member.machine.monitor}`, '--ram', member.ram, '--quiet'],
    ];
    const common = ['--io-timeout', '5s', '--connect-timeout', '5s', ...this.#both];
    const incoming = new Ferry(['incoming', ...ends(destination), ...common, 'tcp-listen:127.0.0.1:0']);
    const address = await link(await incoming.listening());
    const migrate = new Ferry(['migrate', ...ends(source), ...common, ...options, address]);
    return { incoming, migrate };
  }

  /** Performs one migration. Rejects when the migration fails or the guest's state is wrong. */
  async passOn(options: readonly string[]): Promise<Passage> {
    const source = await this.guest();
    const destination = await this.start('defer');
    try {
      return await keepConsoles([source.machine, destination.machine], () =>
        this.#passOn(source, destination, options),
      );
    } finally {
      await this.handedOver(destination);
    }
  }

  async #passOn(source: Member, destination: Member, options: readonly string[]): Promise<Passage> {
    const mark = source.machine.qmp.events.length;
    const { incoming, migrate } = await this.ferries(source, destination, options);
    const [sent, received] = await Promise.all([migrate.ended, incoming.ended]);
    if (sent.status !== 0 || received.status !== 0) {
      throw new Error(`${sent.status} ${sent.output} ${received.status} ${received.output}`);
    }
    const summary = JSON.parse(
      sent.output.split('\n').find((line) => line.includes('"summary"'))!,
    ) as Summary;
    const shared = summary['shared-memory'];
    if (options.includes('--verify-ram') && shared.verified !== true) throw new Error('RAM was not compared');
    const stop = await source.machine.qmp.event('STOP', mark);
    const resume = await destination.machine.qmp.event('RESUME');
    await assertAlive(source.machine, destination.machine, this.#load);
    const { duplicate, same, delta, literal } = summary.pages;
    return {
      total: summary['total-time'],
      downtime: summary.downtime,
      lastRound: shared['last-round'],
      finalScan: shared['final-scan-per-gib'],
      seen: resume.happened - stop.happened,
      rounds: shared.rounds,
      linkBytes: summary.ram.transferred,
      sentPages: duplicate + same + delta + literal,
      delta,
      same,
    };
  }
}

/** Asserts that the guest answers, its memory has the written contents and its counter continues. Restarts the load. */
async function assertAlive(before: Machine, after: Machine, load: string): Promise<void> {
  if ((await after.ask('echo here')) !== 'here') throw new Error('the guest does not answer');
  await after.ask('still');
  const found = await after.ask('check');
  if (!found.startsWith('good')) throw new Error(`the guest has other memory than it wrote: ${found}`);
  await after.says(/^tick [^]*^tick \d+\r?\n/m);
  const ticks = [...(before.console + after.console).matchAll(/^tick (\d+)\r?$/gm)].map(([, n]) => Number(n));
  const gap = ticks.findIndex((tick, index) => index > 0 && tick !== ticks[index - 1]! + 1);
  if (gap >= 0) throw new Error(`the counter jumps from ${ticks[gap - 1]} to ${ticks[gap]}`);
  await after.ask(load);
}
