// docs/COMPATIBILITY.md: real QEMUs of several versions and machines, each way to migrate, through `send` and `receive`. Each cell says
// whether the bytes arrive identical, how many pages with contents have a known place, and what became of the destination.
// Needs root for chroot. RAMFERRY_BENCH_QEMU names the QEMUs: `7.2=/ 10=/srv/trixie 11=/srv/sid`.

import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { withDeadline } from '../../src/os/time/deadline.js';
import { Command, ramferry } from '../../lab/command.js';
import { BareMachine } from '../../lab/qemu/bare-machine.js';
import type { BenchContext, Cell, Suite } from '../support/suite.js';
import {
  CAPABILITIES,
  impossible,
  LIVE,
  type Machine,
  MACHINES,
  type Version,
  type Way,
  WAYS,
} from './cells.js';
import { vfioStream } from './vfio.js';

const QEMUS = 'RAMFERRY_BENCH_QEMU';
/** A directory that gets a copy of each saved stream. */
const KEEP = 'RAMFERRY_BENCH_KEEP';
/** Names of ways, to run only these. */
const ONLY = 'RAMFERRY_BENCH_WAYS';
/** The firmware runs for so long before the migration begins. */
const BOOT_MS = 1000;
const RESTORED_MS = 60_000;
/** After the source's migration `send` and `receive` end within this time. */
const ENDED_MS = 15_000;
const CELL_MS = 180_000;
/** QEMU's main connection and, by default, two channels. */
const MULTIFD_CONNECTIONS = 3;
const COLUMNS = ['way', 'identical', 'pages with identity', 'outcome'];

/** What was found in a cell. */
interface Found {
  readonly identical: string;
  readonly identified: string;
  readonly outcome: string;
}

interface SendReport {
  readonly status: string;
  readonly pages: { readonly identified?: number; readonly anonymous?: number };
  readonly 'opaque-because'?: string;
}

/** One cell's machines and files, in a directory that the QEMU's root holds. */
class Trial {
  readonly #version: Version;
  readonly #machine: Machine;
  readonly #way: Way;
  readonly #directory: string;
  readonly #machines: BareMachine[] = [];

  constructor(version: Version, machine: Machine, way: Way) {
    this.#version = version;
    this.#machine = machine;
    this.#way = way;
    this.#directory = mkdtempSync(join(version.root, 'tmp', 'ramferry-cell-'));
  }

  async run(): Promise<Found> {
    try {
      if (this.#way === 'vfio') return await this.#synthetic();
      return LIVE.has(this.#way) ? await this.#live() : await this.#throughFile();
    } finally {
      for (const machine of this.#machines) await machine.dispose();
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  /** QEMU saves to a file; `send` and `receive` make another of it; a second QEMU restores that one. */
  async #throughFile(): Promise<Found> {
    const saved = this.#at('saved');
    const source = await this.#start('source');
    await delay(BOOT_MS);
    const mapped = this.#way === 'mapped-ram';
    await source.migrate(mapped ? `file:${this.#inside(saved)}` : `exec:cat >${this.#inside(saved)}`);
    const status = await source.migrationEnd();
    if (status !== 'completed') return { identical: '-', identified: '-', outcome: `QEMU: ${status}` };
    await source.dispose();
    const keep = process.env[KEEP];
    if (keep !== undefined) {
      const name = [this.#version.name, this.#machine.name, this.#way].join('-');
      copyFileSync(saved, join(keep, `${name}.mig`));
    }
    const { identical, identified } = await this.#carry(saved);
    const uri = mapped
      ? `file:${this.#inside(this.#at('out'))}`
      : `exec:cat ${this.#inside(this.#at('out'))}`;
    return { identical, identified, outcome: await this.#restore(uri) };
  }

  /** A stream with sections of a VFIO device: no QEMU has such a device without the hardware. */
  async #synthetic(): Promise<Found> {
    writeFileSync(this.#at('saved'), vfioStream(this.#machine.name));
    return { ...(await this.#carry(this.#at('saved'))), outcome: 'synthetic' };
  }

  /** From file to file, and compares. */
  async #carry(saved: string): Promise<Pick<Found, 'identical' | 'identified'>> {
    const [packed, out] = [this.#at('packed'), this.#at('out')];
    const sent = await new Command(ramferry('send', '--json', '--force', saved, packed)).succeeded();
    await new Command(ramferry('receive', '--quiet', '--force', packed, out)).succeeded();
    const identical = readFileSync(saved).equals(readFileSync(out)) ? 'yes' : 'NO';
    const sparse = this.#way === 'mapped-ram' && diskBytes(out) <= diskBytes(saved) ? ', and as sparse' : '';
    return { identical: identical + sparse, identified: shareOf(sent.stdout.toString()) };
  }

  async #restore(uri: string): Promise<string> {
    const destination = await this.#start('destination', 'defer');
    await destination.qmp.execute('migrate-incoming', { uri });
    const deadline = performance.now() + RESTORED_MS;
    while (performance.now() < deadline) {
      const { status } = await destination.migration();
      if (status === 'failed') return 'not restored';
      if (status === 'completed') return `restored, ${await destination.runState()}`;
      await delay(100);
    }
    return 'not restored in time';
  }

  /** Source, `send`, `receive`, destination at the same time. */
  async #live(): Promise<Found> {
    const [out, link, incoming] = [this.#at('out.sock'), this.#at('link.sock'), this.#at('in.sock')];
    const destination = await this.#start('destination', 'defer');
    await destination.qmp.execute('migrate-incoming', { uri: `unix:${this.#inside(incoming)}` });
    const source = await this.#start('source');
    await delay(BOOT_MS);
    const several = this.#way === 'multifd' ? [`--hypervisor-connections=${MULTIFD_CONNECTIONS}`] : [];
    const receiving = new Command(
      ramferry('receive', '--quiet', ...several, `unix-listen:${link}`, `unix:${incoming}`),
    );
    const sending = new Command(ramferry('send', '--json', ...several, `unix-listen:${out}`, `unix:${link}`));
    const ended = Promise.all([sending.ended, receiving.ended]);
    while (!existsSync(out)) await delay(50);
    await source.migrate(`unix:${this.#inside(out)}`, this.#way === 'postcopy' ? 500_000 : undefined);
    if (this.#way === 'postcopy') {
      await source.migrationUntil(({ status }) => status === 'active' || status === 'failed');
      await source.qmp.execute('migrate-start-postcopy');
    }
    const status = await source.migrationEnd();
    // A source that could not connect leaves both waiting for it.
    const ending = setTimeout(() => [sending, receiving].forEach(({ process }) => process.kill()), ENDED_MS);
    const [sent] = await ended.finally(() => clearTimeout(ending));
    const report = sent.stdout.toString();
    const failed = sent.status !== 0;
    return {
      identical: failed ? '-' : 'yes, by checksums',
      identified: failed ? '-' : shareOf(report),
      outcome: failed
        ? `refused: ${/ERR_[A-Z_]+/.exec(sent.stderr)?.[0] ?? `status ${sent.status}`}`
        : `${status}, ${await destination.runState()}`,
    };
  }

  async #start(name: string, incoming?: string): Promise<BareMachine> {
    const { root } = this.#version;
    const { architecture, memoryMiB, args, type, virtioMem } = this.#machine;
    const qemu = `qemu-system-${architecture}`;
    const shared = this.#inside(this.#at('ram'));
    const more: Partial<Record<Way, readonly string[]>> = {
      'dirty-bitmaps': ['-blockdev', 'driver=null-co,node-name=disk0,size=1073741824,read-zeroes=on'],
      'virtio-mem': [
        ...['-m', `${memoryMiB},maxmem=1G,slots=2`, '-object', 'memory-backend-ram,id=vm0,size=256M'],
        ...['-device', `${virtioMem},id=vm,memdev=vm0,requested-size=64M`],
      ],
      'ignore-shared': [
        '-object',
        `memory-backend-file,id=mem,size=${memoryMiB}M,mem-path=${shared},share=on`,
      ],
    };
    const machine = await BareMachine.start({
      name,
      directory: this.#directory,
      root,
      program: root === '/' ? [qemu] : ['chroot', root, qemu],
      machine: this.#way === 'ignore-shared' ? `${type},memory-backend=mem` : type,
      memoryMiB,
      args: [...args, ...(more[this.#way] ?? [])],
      ...(incoming === undefined ? {} : { incoming }),
    });
    this.#machines.push(machine);
    // A snapshot is an ordinary stream for its reader.
    const capabilities =
      incoming !== undefined && this.#way === 'background-snapshot' ? [] : CAPABILITIES[this.#way];
    if (capabilities.length > 0) await machine.capabilities(...capabilities);
    if (incoming === undefined && this.#way === 'dirty-bitmaps') {
      await machine.qmp.execute('block-dirty-bitmap-add', { node: 'disk0', name: 'bitmap0' });
    }
    return machine;
  }

  #at(name: string): string {
    return join(this.#directory, name);
  }

  /** A path as the QEMU sees it. */
  #inside(path: string): string {
    const { root } = this.#version;
    return root === '/' ? path : path.slice(root.length);
  }
}

/** What a file takes on the disk. */
function diskBytes(path: string): number {
  return statSync(path).blocks * 512;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** The share of pages with contents whose place is known, and why not all. */
function shareOf(json: string): string {
  const report = JSON.parse(lastLine(json)) as SendReport;
  const { identified = 0, anonymous = 0 } = report.pages;
  const all = identified + anonymous;
  const share = all === 0 ? 'no pages' : `${((100 * identified) / all).toFixed(1)} %`;
  const because = report['opaque-because'];
  return because === undefined ? share : `${share} (${because})`;
}

function versions(): Version[] {
  const text = process.env[QEMUS] ?? 'host=/';
  return text.split(' ').map((pair) => {
    const [name, root] = pair.split('=');
    return { name: name!, root: root! };
  });
}

function ways(): readonly Way[] {
  const only = process.env[ONLY]?.split(' ');
  return only === undefined ? WAYS : WAYS.filter((way) => only.includes(way));
}

async function cell(version: Version, machine: Machine, way: Way): Promise<Cell[]> {
  const title = [way];
  const why = impossible(version, machine, way);
  if (why !== undefined) return [...title, '-', '-', `impossible: ${why}`];
  try {
    const late: Found = { identical: '-', identified: '-', outcome: 'no end in time' };
    const running = new Trial(version, machine, way).run();
    const { identical, identified, outcome } = await withDeadline(running, CELL_MS, () => late);
    return [...title, identical, identified, outcome];
  } catch (thrown) {
    const message = lastLine(thrown instanceof Error ? thrown.message : String(thrown));
    return [...title, '-', '-', `not tried: ${message}`];
  }
}

async function run({ wants, report }: BenchContext): Promise<void> {
  for (const version of versions()) {
    for (const machine of MACHINES) {
      if (!wants(machine.name)) continue;
      const rows: Cell[][] = [];
      for (const way of ways()) rows.push(await cell(version, machine, way));
      report({ title: `QEMU ${version.name}, ${machine.name}`, columns: COLUMNS, rows });
    }
  }
}

export const compatibility: Suite = {
  name: 'compatibility',
  summary: `real QEMUs, machines and ways to migrate through send and receive (${QEMUS}; root)`,
  cases: MACHINES.map(({ name }) => name),
  run,
};
