// `ramferry qemu-migrate` between two real QEMUs, with a guest that counts: whatever happens, it goes on on exactly one side, loses no lap
// and repeats none, and the exit status says on which side it is.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { BareMachine, missingQemu } from '../../lab/qemu/bare-machine.js';
import { CountingGuest } from '../../lab/qemu/counting-guest.js';
import { scratchDirectory, type Scratch } from '../../lab/cleanup.js';
import { Ferry, type FerryEnd } from '../../lab/ferry.js';

const LIMIT = { timeout: 180_000 };
/** Over this link, with few bytes in flight, the first round takes 8 s: what a test does in it does not depend on QEMU's convergence. */
const SLOW = ['--max-bandwidth', '1MB', '--compress-threads', '1', '--chunk-size', '64KiB'];
/** The guest writes faster than a busy host may carry within the default limit. */
const PATIENT = ['--downtime-limit', '20s'];
const RNG = ['-device', 'virtio-rng-pci'];

/** The last JSON line of this type. */
function reported({ output }: FerryEnd, type: string): Record<string, unknown> | undefined {
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .findLast(({ message_type: each }) => each === type);
}

/** A forwarded monitor, as of ssh -L. */
class Tunnel {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(path: string) {
    this.#server = net.createServer((here) => {
      const there = net.connect({ path });
      for (const socket of [here, there]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
      }
      here.pipe(there).pipe(here);
    });
  }

  static async to(path: string): Promise<Tunnel> {
    const tunnel = new Tunnel(path);
    await once(tunnel.#server.listen(0, '127.0.0.1'), 'listening');
    return tunnel;
  }

  get address(): string {
    return `tcp:127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

describe('ramferry qemu-migrate', { skip: missingQemu() }, () => {
  let scratch: Scratch;
  let guest: CountingGuest;
  const ferries: Ferry[] = [];
  const machines: BareMachine[] = [];
  const path = (name: string): string => join(scratch.path, name);

  beforeEach(() => {
    scratch = scratchDirectory();
    guest = new CountingGuest(scratch.path);
  });
  afterEach(async () => {
    for (const ferry of ferries.splice(0)) ferry.kill();
    for (const machine of machines.splice(0)) await machine.dispose();
    scratch.remove();
  });

  async function machine(name: string, args: readonly string[], incoming?: string): Promise<BareMachine> {
    const started = await BareMachine.start({
      ...{ name, directory: scratch.path },
      // Not a multiple of 256 KiB: QEMU 7.2 under TCG loses writes of guests with round sizes (docs/LIVE.md).
      args: [
        ...guest.args(name),
        '-m',
        '32760K',
        '-qmp',
        `unix:${path(`${name}.mon`)},server=on,wait=off`,
        ...args,
      ],
      ...(incoming === undefined ? {} : { incoming }),
    });
    machines.push(started);
    return started;
  }

  function ferry(...args: readonly string[]): Ferry {
    const started = new Ferry(args);
    ferries.push(started);
    return started;
  }

  /** Both QEMUs; the guest counts at the source. The destination has no -S: it would run by itself. */
  async function prepare(sourceArgs: readonly string[] = []) {
    const source = await machine('source', sourceArgs);
    const destination = await machine('destination', [], 'defer');
    while (guest.counted('source').length < 10) await sleep(20);
    return { source, destination };
  }

  const monitors = (): string[] => [
    ...['--qmp', `unix:${path('source.mon')}`],
    ...['--destination-qmp', `unix:${path('destination.mon')}`],
  ];

  /** Starts the migration within this host. */
  const migrate = (...args: readonly string[]): Ferry => ferry('qemu-migrate', ...monitors(), ...args);

  /** Resolves in the first round. */
  async function round(migration: Ferry): Promise<void> {
    await migration.line('qemu-round');
  }

  /** The guest counts here now, and not at the other side. */
  async function countsOn(name: string, other: string): Promise<void> {
    const [here, there] = [guest.counted(name).length, guest.counted(other).length];
    while (guest.counted(name).length < here + 5) await sleep(20);
    assert.equal(guest.counted(other).length, there, `it runs at the ${other}, too`);
  }

  /** The guest has moved: its laps are those of one guest. */
  async function hasMoved(): Promise<void> {
    await countsOn('destination', 'source');
    const laps = guest.counted('source', 'destination');
    laps.forEach((lap, index) => assert.equal(lap, (index + 1) & 0xffff));
  }

  const hasStayed = (): Promise<void> => countsOn('source', 'destination');

  it('moves the guest, to a destination on this host', LIMIT, async () => {
    const { source, destination } = await prepare();
    const end = await migrate(...PATIENT).ended;
    assert.equal(end.status, 0, end.output);
    const summary = reported(end, 'summary') as {
      qemu: { outcome: string; postcopy: boolean };
      downtime: number;
    };
    assert.equal(summary.qemu.outcome, 'completed');
    assert.equal(summary.qemu.postcopy, false);
    assert.ok(summary.downtime >= 0);
    assert.equal(await source.runState(), 'postmigrate');
    assert.equal(await destination.runState(), 'running');
    await hasMoved();
  });

  it('moves the guest to the receive of another host, and ends the source', LIMIT, async () => {
    const { source } = await prepare();
    const receive = ferry('receive', 'tcp-listen:127.0.0.1:0', `unix:${path('in')}`);
    const words = [await receive.listening(), '--incoming', `unix:${path('in')}`, '--quit-source'];
    const end = await migrate(...PATIENT, ...words).ended;
    assert.equal(end.status, 0, end.output);
    assert.equal((await receive.ended).status, 0);
    assert.equal((await source.ended).status, 0);
    await hasMoved();
  });

  it('leaves the guest at the source after Ctrl-C, and restores its settings', LIMIT, async () => {
    const { source } = await prepare();
    const before = await source.qmp.execute('query-migrate-parameters');
    const migration = migrate(...SLOW);
    await round(migration);
    migration.process.kill('SIGINT');
    const end = await migration.ended;
    assert.equal(end.status, 130, end.output);
    assert.equal(await source.migrationEnd(), 'cancelled');
    assert.deepEqual(await source.qmp.execute('query-migrate-parameters'), before);
    await hasStayed();
  });

  it('leaves the guest at the source when the destination is killed', LIMIT, async () => {
    const { destination } = await prepare();
    const migration = migrate(...SLOW);
    await round(migration);
    destination.process.kill('SIGKILL');
    const end = await migration.ended;
    assert.ok(![0, 7].includes(end.status!), end.output);
    await hasStayed();
  });

  it('says that the guest is lost when the source is killed', LIMIT, async () => {
    const { source } = await prepare();
    const migration = migrate(...SLOW);
    await round(migration);
    source.process.kill('SIGKILL');
    const end = await migration.ended;
    assert.equal(end.status, 7, end.output);
    assert.match(String(reported(end, 'error')?.['message']), /the guest is lost/);
    assert.deepEqual(guest.counted('destination'), []);
  });

  it('leaves the guest at the source when the destination lacks a device', LIMIT, async () => {
    await prepare(RNG);
    const end = await migrate(...PATIENT).ended;
    assert.ok(![0, 7].includes(end.status!), end.output);
    await hasStayed();
  });

  it('cancels at the time-out', LIMIT, async () => {
    await prepare();
    const end = await migrate(...SLOW, '--timeout', '2').ended;
    assert.equal(end.status, 8, end.output);
    assert.equal(reported(end, 'error')?.['code'], 'ERR_MIGRATION_TIMEOUT');
    await hasStayed();
  });

  for (const strategy of ['ignore', 'postcopy']) {
    it(`moves the guest after the time-out, ${strategy}`, LIMIT, async () => {
      await prepare();
      const end = await migrate(...SLOW, '--timeout', '2', '--timeout-strategy', strategy).ended;
      assert.equal(end.status, 0, end.output);
      const { qemu } = reported(end, 'summary') as { qemu: Record<string, unknown> };
      assert.equal(qemu['switched-by'], 'timeout');
      assert.equal(qemu['postcopy'], strategy === 'postcopy');
      await hasMoved();
    });
  }

  it('leaves the guest at the source when the monitor of the destination goes away', LIMIT, async () => {
    const { destination } = await prepare();
    const tunnel = await Tunnel.to(path('destination.mon'));
    const args = ['--qmp', path('source.mon'), '--destination-qmp', tunnel.address];
    const migration = ferry(
      'qemu-migrate',
      ...args,
      '--incoming',
      `unix:${path('in')}`,
      '--io-timeout',
      '2s',
      ...SLOW,
    );
    await round(migration);
    tunnel.close();
    const end = await migration.ended;
    assert.equal(end.status, 8, end.output);
    assert.match(String(reported(end, 'error')?.['code']), /ERR_QMP_/);
    await hasStayed();
    // Its QEMU was not told to run the guest, and gave up when the stream ended.
    assert.notEqual((await destination.ended).status, null);
  });

  it(
    'does not guess when the monitor of the source goes away, and the guest goes on there',
    LIMIT,
    async () => {
      await prepare();
      const tunnel = await Tunnel.to(path('source.mon'));
      const args = [
        '--qmp',
        tunnel.address,
        '--destination-qmp',
        path('destination.mon'),
        '--io-timeout',
        '2s',
      ];
      const migration = ferry('qemu-migrate', ...args, ...SLOW);
      await round(migration);
      tunnel.close();
      const end = await migration.ended;
      assert.equal(end.status, 7, end.output);
      await hasStayed();
    },
  );

  it('refuses a destination that does not wait for a guest', LIMIT, async () => {
    await machine('source', []);
    await machine('destination', ['-S']);
    const end = await migrate().ended;
    assert.equal(end.status, 8, end.output);
    assert.match(String(reported(end, 'error')?.['message']), /does not wait for a guest: it is prelaunch/);
  });
});
