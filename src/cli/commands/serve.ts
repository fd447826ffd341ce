// `ramferry serve`: options in, a server until a signal ends it. SIGTERM or SIGINT: no new transfers, the running ones end. A second
// signal, or the end of --drain-timeout: the running ones are aborted with a typed outcome.

import type { Argv } from 'yargs';

import { EXIT, RamferryError } from '../../errors.js';
import { endedLine, formatEnded } from '../../report/served-transfer.js';
import { listeningLine, metricsLine, warningLine } from '../../report/json.js';
import { visible } from '../../report/visible.js';
import { ControlSocket } from '../../serve/control-socket.js';
import type { ServerHooks } from '../../serve/parts.js';
import { type GuestServer, Server } from '../../serve/server.js';
import { resolveServeOptions, type ServeOptions } from '../../serve/options.js';
import type { GivenToShards } from '../../serve/shards/sharded-server.js';
import { History } from '../../transfer/adaptive/history/history.js';
import { inheritedSockets, type InheritedSocket } from '../../os/process/service-manager.js';
import type { Command, ParsedArguments } from '../command.js';
import { unknownVariables } from '../settings/environment.js';
import { wantsHistory } from '../cache/history-file.js';
import { type Log, openLog } from '../output/log.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { Metrics, metricsPlaces } from '../metrics/metrics.js';
import type { MigrationSample } from '../metrics/sample.js';
import { ServedMigrations } from '../metrics/served.js';
import { ServedTraces } from '../tracing/served-traces.js';
import { Service } from '../process/service.js';
import { readOptionsFile } from '../settings/options-file.js';
import { toStderr, toStdout, warnOnStderr } from '../output/output.js';

/** Milliseconds between two lines of status for systemd. */
const STATUS_MS = 2_000;
/** Milliseconds that aborted transfers may take to say so. */
const ABORT_MS = 5_000;

export const serve: Command = {
  build: (parser: Argv) =>
    offerOptions(parser, 'serve').epilog(
      'docs/SERVE.md has an example, a unit file for systemd, and the limits.',
    ),
  run: async (given) => {
    const path = given['config'] as string | undefined;
    const file = path === undefined ? undefined : readOptionsFile(path, 'serve');
    const parsed = { ...file?.commandLine, ...given };
    const options = { ...file?.options, ...givenOptions(given, 'serve') };
    const log = await openLog(parsed['logFile'] as string | undefined, warnOnStderr);
    const migrations = new ServedMigrations();
    const traces = await ServedTraces.open();
    const hooks = reports(parsed, log, (ended, outcome) => {
      migrations.ended(ended, outcome);
      traces?.ended(ended, outcome);
    });
    unknownVariables(process.env).forEach(hooks.onWarning);
    const inherited = inheritedSockets(process.env, process.pid);
    const fdOf = (name: string): number | undefined => inherited.find((socket) => socket.name === name)?.fd;
    const history = wantsHistory(parsed, process.env);
    const server = await startServer(options, hooks, { listen: listenFd(inherited), history });
    traces?.follow(() => server.running());
    const socket = await openControl(server, fdOf(CONTROL_NAME));
    const metrics = await openMetrics(parsed, server, migrations, hooks);
    const service = new Service();
    service.ready();
    const statusTimer = setInterval(() => void tellStatus(server, service), STATUS_MS);
    statusTimer.unref();
    log.info({}, 'serving');
    const status = await untilSignalled(server, service);
    socket?.close();
    await metrics?.close();
    await traces?.close();
    clearInterval(statusTimer);
    service.close();
    log.info({}, 'ended');
    return status;
  },
};

async function startServer(
  options: ServeOptions,
  hooks: ServerHooks,
  { listen, history }: GivenToShards,
): Promise<GuestServer> {
  if (resolveServeOptions(options).shards > 1) {
    const { ShardedServer } = await import('../../serve/shards/sharded-server.js');
    return ShardedServer.start(options, hooks, { listen, history });
  }
  return Server.start(options, hooks, { listen, memory: history ? new History() : undefined });
}

/** The name of the control socket in a socket unit (FileDescriptorName=); any other name is that of `listen`. */
const CONTROL_NAME = 'control';

/** @throws ERR_USAGE where it is not clear which socket is meant */
function listenFd(inherited: readonly InheritedSocket[]): number | undefined {
  const sockets = inherited.filter(({ name }) => name !== CONTROL_NAME);
  if (sockets.length > 1) {
    throw new RamferryError('ERR_USAGE', `systemd has passed ${sockets.length} sockets to listen on`, {
      hint: 'one ListenStream= for --listen, and one with FileDescriptorName=control for --control',
    });
  }
  return sockets[0]?.fd;
}

async function openControl(server: GuestServer, fd: number | undefined): Promise<ControlSocket | undefined> {
  const { control } = server.settings;
  try {
    return control === undefined ? undefined : await ControlSocket.open(control, server, fd);
  } catch (thrown) {
    await server.drain();
    throw thrown;
  }
}

/** Ends the server where the metrics cannot begin. */
async function openMetrics(
  parsed: ParsedArguments,
  server: GuestServer,
  migrations: ServedMigrations,
  { onWarning }: ServerHooks,
): Promise<Metrics | undefined> {
  const onMetrics = (url: string): void => {
    if (parsed['json'] === true) toStdout(metricsLine(url));
    else if (parsed['quiet'] !== true) toStderr(`ramferry: metrics at ${url}`);
  };
  try {
    const samples = (): readonly MigrationSample[] => migrations.samples(server.running());
    return await Metrics.open(metricsPlaces(parsed), samples, { onWarning, onMetrics });
  } catch (thrown) {
    await server.drain();
    throw thrown;
  }
}

function reports(parsed: ParsedArguments, log: Log, onEnded: ServerHooks['onEnded']): ServerHooks {
  const json = parsed['json'] === true;
  const quiet = parsed['quiet'] === true;
  return {
    onListening: (address) => {
      log.info({ address }, 'listening');
      if (json) toStdout(listeningLine(address));
      else if (!quiet) toStderr(`ramferry: listening on ${visible(address)}`);
    },
    onWarning: (text) => {
      log.warn(text);
      if (json) toStdout(warningLine(text));
      else warnOnStderr(text);
    },
    onEnded: (ended, outcome) => {
      onEnded(ended, outcome);
      log.info({ ended }, 'transfer ended');
      if (json) toStdout(endedLine(ended));
      else if (!quiet || ended.error !== undefined) toStderr(`ramferry: ${visible(formatEnded(ended))}`);
    },
  };
}

/** One line for `systemctl status`. */
async function tellStatus(server: GuestServer, service: Service): Promise<void> {
  const { state, transfers, completed, failed } = await server.status();
  const waiting = transfers.filter((transfer) => transfer.state === 'waiting').length;
  const counts = `${transfers.length - waiting} running, ${waiting} waiting, ${completed} completed, ${failed} failed`;
  service.status(() => `${state}: ${counts}`);
}

/** Resolves with the exit status when the server has ended after a signal. */
async function untilSignalled(server: GuestServer, service: Service): Promise<number> {
  const { drainTimeout } = server.settings;
  let status: number = EXIT.success;
  await new Promise<void>((resolve) => {
    let asked = false;
    // Listeners keep the process alive; a server that only carries guests out may have none at this moment.
    const alive = setInterval(() => undefined, 2 ** 30);
    const abort = (): void => {
      status = EXIT.terminated;
      server.abort(new RamferryError('ERR_TERMINATED', 'the server was ended by a signal'));
      setTimeout(resolve, ABORT_MS).unref();
    };
    const onSignal = (): void => {
      if (asked) return abort();
      asked = true;
      service.stopping();
      const timer = drainTimeout === 0 ? undefined : setTimeout(abort, drainTimeout);
      void server.drain().then(() => {
        clearTimeout(timer);
        clearInterval(alive);
        resolve();
      });
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
  return status;
}
