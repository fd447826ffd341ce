// A real emu-manager (of XenServer or XCP-ng) alone and behind the front: do lines, statuses and the guest's bytes agree, and what does the
// front cost? RAMFERRY_BENCH_EMU_MANAGER names it. Its xenguest is the stand-in of lab/xapi, which replaces the host's in a mount namespace
// of its own. Needs root, and no Xen.

import fs from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { CHECKOUT, SHIPPED_COMMAND } from '../../lab/places.js';
import type { GuestScenario } from '../../lab/xapi/xenguest.js';
import { Stream } from '../../lab/xapi/stream.js';
import { END_HEADER, LIBXC_HEADER, Workshop, Xenopsd } from '../../lab/xapi/xenopsd.js';
import { MIB } from '../../src/units.js';
import { type Cell, round, type Suite } from '../support/suite.js';
import { writeGuestStream } from './guest-stream.js';

const VARIABLE = 'RAMFERRY_BENCH_EMU_MANAGER';
const GUEST_BYTES = 28 * MIB;
const TURNS = 7;
/** Places where emu-manager looks for xenguest and for its socket. */
const PLACES = ['/usr/libexec/xen/bin', '/var/xen'];

interface End {
  readonly lines: string;
  readonly status: number;
  /** Milliseconds from the last line to the end of the process. */
  readonly exit: number;
}
interface Saved extends End {
  readonly wire: Buffer;
  /** Milliseconds until `prepare:`. */
  readonly prepare: number;
}

/** A failure of a live save: what xenguest does, and what xenopsd does. */
interface Trouble {
  readonly scenario: Partial<GuestScenario>;
  readonly act: (xenopsd: Xenopsd) => Promise<void>;
}
const TROUBLES: Readonly<Record<string, Trouble>> = {
  'abort at prepare': { scenario: {}, act: (xenopsd) => xenopsd.say('abort') },
  'abort while live': { scenario: { stallAt: 8 * MIB }, act: (xenopsd) => go(xenopsd, 'abort') },
  'end of the channel': { scenario: { stallAt: 8 * MIB }, act: (xenopsd) => go(xenopsd, undefined) },
  'xenguest dies': { scenario: { dieAt: 8 * MIB }, act: (xenopsd) => xenopsd.say('done') },
};

/** Lets xenguest begin, and then ends the migration. */
async function go(xenopsd: Xenopsd, last: string | undefined): Promise<void> {
  await xenopsd.say('done');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await (last === undefined ? xenopsd.hangUp() : xenopsd.say(last));
}

export const realEmu: Suite = {
  name: 'real-emu',
  cases: ['transfers', 'failures'],
  summary: `a real emu-manager (${VARIABLE}) alone and behind the front: lines, statuses, bytes, times`,
  run: async ({ image, scratch, wants, report }) => {
    const host = new RealHost(scratch);
    try {
      await writeGuestStream(image, host.guest, GUEST_BYTES);
      if (wants('transfers')) {
        const columns = ['', 'lines', 'status', 'same bytes', 'MB', 'prepare ms', 'end ms', 'restore end ms'];
        report({
          title: 'Transfers',
          columns,
          rows: await host.transfers(),
          note: `medians of ${TURNS} turns`,
        });
      }
      if (wants('failures')) {
        const columns = ['', 'alone', 'front'];
        report({ title: 'Failures', columns, rows: await host.failures(), note: 'lines and status' });
      }
    } finally {
      host.close();
    }
  },
};

class RealHost {
  readonly guest: string;
  readonly #workshop: Workshop;
  #domid = 100;

  constructor(scratch: string) {
    const real = process.env[VARIABLE];
    if (real === undefined) throw new Error(`${VARIABLE} must name a real emu-manager`);
    for (const place of PLACES) if (!fs.existsSync(place)) throw new Error(`make the directory ${place}`);
    const run = `mount --bind "$0/bin" ${PLACES[0]!} && mount --bind "$0/xen" ${PLACES[1]!} && exec "$@"`;
    this.#workshop = new Workshop('', join(scratch, 'real-emu-'));
    const { directory, emuManager } = this.#workshop;
    fs.writeFileSync(
      emuManager,
      `#!/bin/sh\nexec unshare --mount /bin/sh -c '${run}' '${directory}' '${real}' "$@"\n`,
    );
    for (const name of ['bin', 'xen/xenguest']) fs.mkdirSync(join(directory, name), { recursive: true });
    const standIn = join(CHECKOUT, 'dist/lab/xapi/xenguest.js');
    const script = `#!/bin/sh\nexec '${process.execPath}' '${standIn}' "$@"\n`;
    fs.writeFileSync(join(directory, 'bin/xenguest'), script, { mode: 0o755 });
    this.guest = join(directory, 'guest');
  }

  close(): void {
    this.#workshop.remove();
  }

  #start(front: boolean, mode: Mode, stream: Stream, scenario: GuestScenario, live = false): Xenopsd {
    const domid = String(this.#domid++);
    const place = join(this.#workshop.directory, 'xen/xenguest', domid);
    fs.mkdirSync(place);
    fs.writeFileSync(join(place, 'scenario.json'), JSON.stringify(scenario));
    const args = ['-domid', domid, '-store_port', '3', '-console_port', '4', '-live', String(live)];
    const saving = mode.endsWith('save');
    return new Xenopsd({
      workshop: this.#workshop,
      mode,
      fd: stream.fd,
      args: front && saving ? [...args, '-compress', 'true'] : args,
      scenario: {},
      ...(front ? { command: SHIPPED_COMMAND } : { program: this.#workshop.emuManager }),
    });
  }

  async transfers(): Promise<Cell[][]> {
    const rows: Cell[][] = [];
    for (const [guest, live] of [
      ['hvm', true],
      ['hvm', false],
      ['pv', true],
      ['pv', false],
    ] as const) {
      const runs = { alone: [] as Transfer[], front: [] as Transfer[] };
      for (let turn = 0; turn < TURNS; turn++)
        for (const front of [false, true])
          runs[front ? 'front' : 'alone'].push(await this.#move(front, guest, live));
      for (const [name, all] of Object.entries(runs))
        rows.push(row(`${guest}${live ? ', live' : ''}: ${name}`, all));
    }
    return rows;
  }

  async #move(front: boolean, guest: 'hvm' | 'pv', live: boolean): Promise<Transfer> {
    const [saving, restoring] = guest === 'hvm' ? MODES.hvm : MODES.pv;
    const saved = await this.#save(front, saving, live);
    const target = this.#workshop.file();
    const restored = await this.#restore(front, restoring, saved.wire, target);
    const same = fs.readFileSync(target).equals(fs.readFileSync(this.guest));
    fs.rmSync(target);
    return { saved, restored, same };
  }

  async #save(front: boolean, mode: Mode, live: boolean): Promise<Saved> {
    const stream = new Stream('socket', true, '');
    const arrivals = stream.collect();
    const began = performance.now();
    const xenopsd = this.#start(front, mode, stream, { memory: this.guest }, live);
    if (!live) await suspend(xenopsd);
    await xenopsd.expect('prepare:xenguest');
    const prepare = performance.now() - began;
    await xenopsd.writeToStream(LIBXC_HEADER);
    await xenopsd.say('done');
    if (live) await suspend(xenopsd);
    await xenopsd.expect('result:0 0');
    const end = await endOf(xenopsd);
    await xenopsd.writeToStream(END_HEADER);
    fs.closeSync(stream.fd);
    await arrivals.ended;
    return { ...end, wire: arrivals.bytes(), prepare };
  }

  async #restore(front: boolean, mode: Mode, wire: Buffer, target: string): Promise<End> {
    const stream = new Stream('socket', false, '');
    const feeding = stream.feed(wire);
    const xenopsd = this.#start(front, mode, stream, { memory: target });
    await xenopsd.readFromStream(LIBXC_HEADER.length);
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    const end = await endOf(xenopsd);
    if (!(await xenopsd.readFromStream(END_HEADER.length)).equals(END_HEADER)) throw new Error('END is lost');
    await feeding;
    stream.close();
    return end;
  }

  async failures(): Promise<Cell[][]> {
    const rows: Cell[][] = [];
    for (const [name, trouble] of Object.entries(TROUBLES))
      rows.push([name, await this.#fail(false, trouble), await this.#fail(true, trouble)]);
    return rows;
  }

  async #fail(front: boolean, { scenario, act }: Trouble): Promise<string> {
    const stream = new Stream('socket', true, '');
    const arrivals = stream.collect();
    const xenopsd = this.#start(front, 'hvm_save', stream, { memory: this.guest, ...scenario }, true);
    await xenopsd.expect('prepare:xenguest');
    await act(xenopsd);
    const status = await xenopsd.status();
    const text = `${linesOf(xenopsd)}, ${status}`;
    stream.close();
    await arrivals.close();
    return text;
  }
}

const MODES = { hvm: ['hvm_save', 'hvm_restore'], pv: ['save', 'restore'] } as const;
type Mode = (typeof MODES)['hvm' | 'pv'][number];

interface Transfer {
  readonly saved: Saved;
  readonly restored: End;
  readonly same: boolean;
}

async function suspend(xenopsd: Xenopsd): Promise<void> {
  await xenopsd.expect('suspend:');
  await xenopsd.say('done');
}

async function endOf(xenopsd: Xenopsd): Promise<End> {
  const from = performance.now();
  await xenopsd.hangUp().catch(() => undefined); // the front closes it, too
  const status = await xenopsd.status();
  return { lines: linesOf(xenopsd), status, exit: performance.now() - from };
}

/** Without progress. */
function linesOf(xenopsd: Xenopsd): string {
  return xenopsd.heard.filter((line) => !line.startsWith('info:')).join(' ');
}

function row(name: string, all: readonly Transfer[]): Cell[] {
  const [{ saved, restored }] = all as [Transfer];
  const of = (value: (each: Transfer) => number): number => round(median(all.map(value)), 1);
  return [
    name,
    `${saved.lines}; ${restored.lines}`,
    all.every((each) => each.saved.status === 0 && each.restored.status === 0) ? 0 : 'failed',
    all.every(({ same }) => same) ? 'yes' : 'NO',
    round(saved.wire.length / 1e6, 1),
    of((each) => each.saved.prepare),
    of((each) => each.saved.exit),
    of((each) => each.restored.exit),
  ];
}
