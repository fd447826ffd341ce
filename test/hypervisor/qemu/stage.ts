// Two QEMU stand-ins, their RAM files, and a migration between them: in this process, or by the command line where a test
// kills a process.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import { receiveGuest } from '../../../src/hypervisor/qemu/destination.js';
import { deferred } from '../../../src/os/deferred.js';
import type { MigrateOptions } from '../../../src/options/rows/migrate.js';
import { migrateGuest } from '../../../src/hypervisor/qemu/source.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import type { TransferSummary } from '../../../src/transfer/statistics/summary.js';
import { Command } from '../../cli/command.js';
import { FakeQemu } from '../support/fake-qemu.js';

/** Pages; the last extent of a scan is a short one. */
export const PAGES = 300;

export interface Ends {
  readonly source: TransferSummary | RamferryError;
  readonly destination: TransferSummary | RamferryError;
}

export interface LinkEnds {
  readonly input: string;
  readonly output: string;
  readonly signal?: AbortSignal;
}

export class Stage {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-shm-'));
  /** The runs and stops of both guests, in order. */
  readonly history: string[] = [];
  readonly sourceRam = path.join(this.directory, 'src.ram');
  readonly destinationRam = path.join(this.directory, 'dst.ram');
  source!: FakeQemu;
  destination!: FakeQemu;
  /** The two processes once they are started: hooks of the stand-ins kill them. */
  readonly started: { source?: Command; destination?: Command } = {};

  static async open(test: TestContext): Promise<Stage> {
    const stage = new Stage();
    test.after(() => stage.close());
    fs.writeFileSync(stage.sourceRam, ramContents());
    // Not fresh: a zero page must overwrite old contents.
    fs.writeFileSync(stage.destinationRam, Buffer.alloc(PAGES * PAGE_BYTES, 0x55));
    const { history } = stage;
    stage.source = await FakeQemu.start({
      ...{
        monitor: stage.path('src.qmp'),
        ram: [{ id: 'mem', file: stage.sourceRam }],
        history,
        name: 'source',
      },
    });
    stage.destination = await FakeQemu.start({
      ...{
        monitor: stage.path('dst.qmp'),
        ram: [{ id: 'mem', file: stage.destinationRam }],
        history,
        name: 'destination',
      },
      incoming: true,
    });
    return stage;
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  /** Both sides in this process. @param link their addresses, which both name the same link, and what interrupts the destination */
  async migrate(
    options: Partial<MigrateOptions> = {},
    link: LinkEnds = { input: `unix-listen:${this.path('link')}`, output: `unix:${this.path('link')}` },
  ): Promise<Ends> {
    const { ioTimeout, reconnect } = options;
    const isListening = deferred<undefined>();
    const destination = receiveGuest({
      ...{ qmp: `unix:${this.path('dst.qmp')}`, ram: [this.destinationRam], input: link.input },
      ...(ioTimeout === undefined ? {} : { ioTimeout }),
      ...(reconnect === undefined ? {} : { reconnect }),
      onListening: () => isListening.resolve(undefined),
      signal: link.signal,
    }).catch(asError);
    await Promise.race([isListening.promise, destination]);
    const source = migrateGuest({
      ...{ qmp: this.path('src.qmp'), ram: [this.sourceRam], output: link.output, compressThreads: 1 },
      ...options,
    }).catch(asError);
    const ends = await Promise.all([source, destination]);
    return { source: ends[0], destination: ends[1] };
  }

  /** Each side a process of its own. @param args options for both */
  async start(
    args: readonly string[] = [],
  ): Promise<{ readonly source: Command; readonly destination: Command }> {
    const link = this.path('link');
    const destination = new Command([
      ...['incoming', '--qmp', `unix:${this.path('dst.qmp')}`, '--ram', this.destinationRam],
      ...['--json', ...args, `unix-listen:${link}`],
    ]);
    this.started.destination = destination;
    await destination.says(/listening/);
    const source = new Command([
      ...['migrate', '--qmp', `unix:${this.path('src.qmp')}`, '--ram', this.sourceRam],
      ...['--json', '--compress-threads', '1', ...args, `unix:${link}`],
    ]);
    this.started.source = source;
    return { source, destination };
  }

  assertSameRam(): void {
    assert.ok(fs.readFileSync(this.sourceRam).equals(fs.readFileSync(this.destinationRam)), 'RAM differs');
  }

  /** Checks that the guest runs at the source, unchanged, and that the destination's QEMU is gone and never ran. */
  async assertBack(): Promise<void> {
    await this.destination.end;
    assert.equal(this.source.running, true);
    assert.ok(!this.history.includes('destination runs'), this.history.join());
    assert.deepEqual(
      [...this.source.capabilities],
      [
        ['x-ignore-shared', false],
        ['late-block-activate', false],
        ['return-path', true],
      ],
    );
  }

  close(): void {
    for (const command of Object.values(this.started)) command.process.kill('SIGKILL');
    for (const fake of [this.source, this.destination]) if (!fake.gone) fake.die();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

function asError(thrown: unknown): RamferryError {
  assert.ok(thrown instanceof RamferryError, String(thrown));
  return thrown;
}

/** Zero pages, equal pages and different ones. */
function ramContents(): Buffer {
  const ram = Buffer.alloc(PAGES * PAGE_BYTES);
  for (let page = 0; page < PAGES; page++) {
    if (page % 3 === 0) continue;
    ram.fill(`page ${page % 3 === 1 ? page : 7} `, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  }
  return ram;
}

/** The guest writes to a page. */
export function scribble(ram: string, page: number, text: string): void {
  writeAt(ram, page * PAGE_BYTES, Buffer.alloc(PAGE_BYTES, text));
}

export function writeAt(ram: string, position: number, bytes: Buffer): void {
  const fd = fs.openSync(ram, 'r+');
  fs.writeSync(fd, bytes, 0, bytes.length, position);
  fs.closeSync(fd);
}

export function codeOf(end: TransferSummary | RamferryError): string {
  return end instanceof RamferryError ? end.code : end.status;
}
