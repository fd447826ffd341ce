// What TLS costs: ramferry in the clear and under TLS, over one and several connections, beside a bare loop in Node, socat and QEMU's own migration,
// each in the clear and under TLS. Codec none, so that every byte is encrypted. The same certificates for all.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { Command, inNamespace, ramferry } from '../../lab/command.js';
import { freePort } from '../../lab/free-port.js';
import { createNetwork } from '../../lab/network.js';
import { CHECKOUT } from '../../lab/places.js';
import { BareMachine, missingQemu } from '../../lab/qemu/bare-machine.js';
import { canMakeNetwork } from '../../src/guest/network.js';
import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import { MIB } from '../../src/units.js';
import { repeated } from '../support/files.js';
import { type BenchContext, type Cell, round, type Suite } from '../support/suite.js';

const TURNS = 3;
const BYTES = 512 * MIB;
const CABLE = '1gbit';
const TICKS_A_SECOND = 100;
/** QEMU's guest: its firmware lies below. */
const MEMORY_AT = 64 * MIB;
/** The name in the certificates. */
const HOST = 'localhost';
const SOCAT_BLOCK = '262144';
const BARE_LINK = new URL('bare-link.js', import.meta.url).pathname;

interface Place {
  readonly file: string;
  readonly scratch: string;
  /** Where the receiver listens. */
  readonly address: string;
  readonly source?: string;
  readonly destination?: string;
}

interface Trip {
  readonly seconds: number;
  /** Processor seconds of both sides. */
  readonly cpu: number;
  readonly bytes: number;
}

type Way = (place: Place) => Promise<Trip>;

const certificates = ({ scratch }: Place, name = ''): string => join(scratch, 'certs', 'good', name);
const output = ({ scratch }: Place): string => join(scratch, 'tls.out');

function ferry(connections: number, isSecure: boolean): Way {
  return async (place) => {
    const { file, address, source, destination } = place;
    const common = ['--json', '--quiet', '--connections', String(connections)];
    const creds = isSecure ? ['--tls-creds', certificates(place)] : [];
    const listen = `tcp-listen:${address}:0`;
    const receiver = new Command(
      inNamespace(destination, ramferry('receive', ...common, ...creds, '--force', listen, output(place))),
    );
    const port = (await receiver.listening()).split(':').at(-1)!;
    const name = isSecure ? ['--tls-hostname', HOST] : [];
    const to = `tcp:${address}:${port}`;
    const sender = new Command(
      inNamespace(source, ramferry('send', ...common, ...creds, ...name, '--codec', 'none', file, to)),
    );
    const [sent, received] = await Promise.all([sender.summary(), receiver.summary()]);
    return {
      seconds: (Number(sent['total-time']) - Number(sent['setup-time'])) / 1e3,
      cpu: Number(sent['cpu-seconds']) + Number(received['cpu-seconds']),
      bytes: statSync(file).size,
    };
  };
}

function socat(isSecure: boolean): Way {
  return async (place) => {
    const { file, address, source, destination } = place;
    const port = await freePort();
    const files = (role: string): string =>
      `cert=${certificates(place, `${role}-cert.pem`)},key=${certificates(place, `${role}-key.pem`)},` +
      `cafile=${certificates(place, 'ca-cert.pem')},verify=1`;
    const [from, to] = isSecure
      ? [
          `OPENSSL:${address}:${port},${files('client')},commonname=${HOST}`,
          `OPENSSL-LISTEN:${port},reuseaddr,${files('server')}`,
        ]
      : [`TCP:${address}:${port}`, `TCP-LISTEN:${port},reuseaddr`];
    const before = childrenCpu();
    const program = ['socat', '-u', '-b', SOCAT_BLOCK];
    const receiver = new Command(
      inNamespace(destination, [...program, '-dd', to, `OPEN:${output(place)},creat,trunc`]),
    );
    await receiver.says(/listening on/);
    const started = performance.now();
    const sender = new Command(inNamespace(source, [...program, `OPEN:${file},rdonly`, from]));
    await Promise.all([sender.succeeded(), receiver.succeeded()]);
    const seconds = (performance.now() - started) / 1e3;
    return { seconds, cpu: childrenCpu() - before, bytes: statSync(file).size };
  };
}

/** The least loop in Node: what its TLS costs without an engine. */
function bare(isSecure: boolean): Way {
  return async (place) => {
    const { file, address, source, destination } = place;
    const creds = isSecure ? [certificates(place)] : [];
    const program = [process.execPath, BARE_LINK];
    const before = childrenCpu();
    const receiver = new Command(
      inNamespace(destination, [...program, 'receive', address, output(place), ...creds]),
    );
    const port = (await receiver.says(/listening on (\d+)/))[1]!;
    const sender = new Command(
      inNamespace(source, [...program, 'send', `${address}:${port}`, file, ...creds]),
    );
    const seconds = Number((await sender.says(/([\d.]+) seconds/))[1]);
    await Promise.all([sender.succeeded(), receiver.succeeded()]);
    return { seconds, cpu: childrenCpu() - before, bytes: statSync(file).size };
  };
}

/** Processor seconds of a process so far. */
function cpuOf(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

interface Ram {
  readonly 'total-time': number;
  readonly 'setup-time': number;
  readonly ram: { readonly transferred: number };
}

function qemu(isSecure: boolean): Way {
  return async (place) => {
    const { file, address, scratch } = place;
    const port = await freePort();
    const start = (name: 'source' | 'destination', more: readonly string[]): Promise<BareMachine> => {
      const endpoint = name === 'source' ? 'client' : 'server';
      const creds = `tls-creds-x509,id=tls,dir=${certificates(place)},endpoint=${endpoint},verify-peer=yes`;
      const program = inNamespace(place[name], ['/usr/bin/qemu-system-x86_64']);
      return BareMachine.start({
        ...{ name, directory: scratch, program, memoryMiB: (MEMORY_AT + statSync(file).size) / MIB },
        args: [...more, '-S', ...(isSecure ? ['-object', creds] : [])],
        ...(name === 'source' ? {} : { incoming: 'defer' }),
      });
    };
    const loader = `loader,file=${file},addr=${MEMORY_AT},force-raw=on`;
    const source = await start('source', ['-device', loader]);
    const destination = await start('destination', []);
    const machines = [source, destination];
    try {
      const parameters = isSecure ? { 'tls-creds': 'tls' } : {};
      await destination.qmp.execute('migrate-set-parameters', parameters);
      await source.qmp.execute('migrate-set-parameters', {
        ...parameters,
        ...(isSecure ? { 'tls-hostname': HOST } : {}),
      });
      const uri = `tcp:${address}:${port}`;
      await destination.qmp.execute('migrate-incoming', { uri });
      const before = machines.map(({ process: { pid } }) => cpuOf(pid));
      await source.migrate(uri);
      if ((await source.migrationEnd()) !== 'completed') throw new Error("QEMU's migration has failed");
      const after = machines.map(({ process: { pid } }) => cpuOf(pid));
      const info = (await source.migration()) as unknown as Ram;
      return {
        seconds: (info['total-time'] - info['setup-time']) / 1e3,
        cpu: after.reduce((sum, each, index) => sum + each - before[index]!, 0),
        bytes: info.ram.transferred,
      };
    } finally {
      await Promise.all(machines.map((each) => each.dispose()));
    }
  };
}

/** Each way, and the one in the clear beside which it stands. */
const WAYS: Readonly<Record<string, readonly [Way, string]>> = {
  'ramferry, tcp': [ferry(1, false), 'ramferry, tcp'],
  'ramferry, TLS': [ferry(1, true), 'ramferry, tcp'],
  'ramferry, tcp, 4 connections': [ferry(4, false), 'ramferry, tcp'],
  'ramferry, TLS, 2 connections': [ferry(2, true), 'ramferry, tcp'],
  'ramferry, TLS, 4 connections': [ferry(4, true), 'ramferry, tcp'],
  'node:net, bare loop': [bare(false), 'node:net, bare loop'],
  'node:tls, bare loop': [bare(true), 'node:net, bare loop'],
  'socat, tcp': [socat(false), 'socat, tcp'],
  'socat, openssl': [socat(true), 'socat, tcp'],
  ...(missingQemu() === false
    ? { 'QEMU, tcp': [qemu(false), 'QEMU, tcp'], 'QEMU, tls-creds': [qemu(true), 'QEMU, tcp'] }
    : {}),
};

async function measure({ report }: BenchContext, place: Place, link: string): Promise<void> {
  const trips: Record<string, Trip[]> = {};
  for (let turn = 0; turn < TURNS; turn++) {
    const names = Object.keys(WAYS);
    for (const name of turn % 2 === 0 ? names : names.reverse()) {
      const trip = await WAYS[name]![0](place);
      (trips[name] ??= []).push(trip);
      if (!name.startsWith('QEMU')) execFileSync('cmp', [place.file, output(place)]);
      rmSync(output(place), { force: true });
    }
  }
  const rates = (name: string): number[] => trips[name]!.map(({ bytes, seconds }) => bytes / seconds / 1e6);
  const costs = (name: string): number[] => trips[name]!.map(({ bytes, cpu }) => cpu / (bytes / 2 ** 30));
  report({
    title: `TLS, ${link}`,
    columns: ['way', 'MB/s', 'least', 'most', 'CPU s/GiB', 'rate over tcp', 'CPU over tcp'],
    rows: Object.entries(WAYS).map(([name, [, beside]]): Cell[] => [
      name,
      round(median(rates(name))),
      round(Math.min(...rates(name))),
      round(Math.max(...rates(name))),
      round(median(costs(name)), 2),
      round(median(rates(name).map((rate, turn) => rate / rates(beside)[turn]!)), 2),
      round(median(costs(name).map((cost, turn) => cost / costs(beside)[turn]!)), 2),
    ]),
    note: `${statSync(place.file).size / MIB} MiB, ${TURNS} turns, medians, ratios within a turn; ramferry with codec none, processor time with its start; QEMU's guest is stopped`,
  });
}

export const tls: Suite = {
  name: 'tls',
  summary: 'TLS of ramferry beside a bare loop, socat and QEMU, unlimited and at 1 Gbit/s (root)',
  cases: ['unlimited', CABLE],
  run: async (context) => {
    const { scratch, size = BYTES } = context;
    const script = join(CHECKOUT, 'scripts/make-test-certs');
    if (spawnSync(script, [join(scratch, 'certs')], { stdio: 'ignore' }).status !== 0)
      throw new Error('openssl is needed for the certificates');
    const file = repeated(context.image, size, scratch);
    if (context.wants('unlimited')) {
      await measure(context, { file, scratch, address: '127.0.0.1' }, 'loopback without a limit');
    }
    if (context.wants(CABLE) && canMakeNetwork()) {
      const { address, source, destination, remove } = createNetwork(CABLE);
      try {
        await measure(context, { file, scratch, address, source, destination }, `a cable of ${CABLE}`);
      } finally {
        remove();
      }
    }
  },
};
