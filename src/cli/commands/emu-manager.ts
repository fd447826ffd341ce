// `ramferry emu-manager`: what xenopsd starts in emu-manager's place. Options in, emu-manager's exit status out.
// Nobody reads its stderr there: it logs to the system's log and to --log-file.

import { accessSync, constants } from 'node:fs';
import type { Argv, Options } from 'yargs';
import { CODEC_NAMES } from '../../codec/codec.js';
import { EXIT, RamferryError, toRamferryError } from '../../errors.js';
import { Engine } from '../../hypervisor/xapi/emu-engine.js';
import { emuManager } from '../../hypervisor/xapi/emu-manager.js';
import type { FrontLog } from '../../hypervisor/xapi/emu-conversation.js';
import { Syslog } from '../../hypervisor/xapi/syslog.js';
import { exitNow } from '../../os/exit.js';
import { libc } from '../../os/libc.js';
import { optionsFromEnvironment, readText, type OptionKind } from '../environment.js';
import { openLog } from '../log.js';
import { lastReports, printResult, reportError, warnOnStderr } from '../output.js';
import type { Command, ParsedArguments } from '../command.js';

/** Options of the engine, and how their texts are read. */
const ENGINE = {
  codec: 'text',
  compressLevel: 'number',
  compressThreads: 'number',
  decompressThreads: 'number',
  chunkSize: 'text',
  memoryLimit: 'text',
  xbzrleCacheSize: 'text',
  xenguestVersion: 'number',
  zstdBinding: 'text',
  flushAfter: 'text',
  selfCheck: 'boolean',
  hostThreads: 'number',
  compressVgpu: 'boolean',
} as const satisfies Record<string, OptionKind>;

const OPTIONS: Record<string, Options> = {
  exec: { describe: 'the real emu-manager', requiresArg: true, demandOption: true, type: 'string' },
  codec: { describe: `${CODEC_NAMES.join(', ')} (zstd)`, requiresArg: true },
  'compress-level': { describe: '0 stores, 1 is fastest (1)', requiresArg: true },
  'compress-threads': { describe: 'compression threads (CPUs, at most 2)', requiresArg: true },
  'decompress-threads': { describe: 'decompression threads (CPUs, at most 2)', requiresArg: true },
  'host-threads': {
    describe: 'threads of all migrations on this host together (CPUs; 0 = no limit)',
    requiresArg: true,
  },
  'chunk-size': { describe: 'guest memory in a chunk, 64KiB to 16MiB (1MiB)', requiresArg: true },
  'memory-limit': {
    describe: 'memory that one migration may take (320MiB; of a save 256MiB and the page store)',
    requiresArg: true,
  },
  'xbzrle-cache-size': {
    describe: 'page store of a save: what was sent before is sent as its difference (0 = none)',
    requiresArg: true,
  },
  'flush-after': { describe: 'how long bytes may wait for a full chunk (50ms)', requiresArg: true },
  'self-check': {
    describe: 'decode every chunk before it leaves, and compare (yes); --no-self-check saves the time',
    type: 'boolean',
  },
  'compress-vgpu': {
    describe: "compress the vGPU's stream as well: both hosts must say so",
    type: 'boolean',
  },
  'xenguest-version': {
    describe: '1: a save that hosts with ramferry 0.1 can restore, without the marks that betray damage (2)',
    requiresArg: true,
  },
  'zstd-binding': { describe: 'use this zstd binding; see ramferry features', requiresArg: true },
  syslog: { describe: 'log to the system log (yes); --no-syslog does not', type: 'boolean', default: true },
  'log-file': { describe: 'append a log to this file', requiresArg: true, type: 'string' },
  check: { describe: 'say whether all this works here, and do nothing', type: 'boolean' },
};

export const emuManagerCommand: Command = {
  build: (parser: Argv) =>
    parser
      .usage('$0 emu-manager [options] --exec PATH -- <the arguments that xenopsd gives>')
      // What stands behind `--` is somebody else's and stays as it is.
      .parserConfiguration({ 'populate--': true, 'short-option-groups': false, 'parse-numbers': false })
      .options(OPTIONS)
      .epilog("scripts/install-emu-manager writes the wrapper for xenopsd.conf's emu-manager."),
  run,
};

async function run(parsed: ParsedArguments): Promise<number> {
  const options = engineOptions(parsed);
  const exec = String(parsed['exec']);
  if (parsed['check'] === true) return await check(exec, options);
  const log = await openLogs(parsed);
  const controller = new AbortController();
  // The first one ends everything. None may end this process before the real emu-manager: xenopsd waits for that.
  process.on('uncaughtException', (thrown) => controller.abort(toRamferryError(thrown)));
  const args = ((parsed['--'] as unknown[] | undefined) ?? []).map(String);
  const status = await emuManager({ options, exec, args, log, signal: controller.signal });
  await lastReports();
  // A read or write of the stream may sit in the kernel; xenopsd waits for our end.
  exitNow(status);
}

function engineOptions(parsed: ParsedArguments): Record<string, unknown> {
  const options: Record<string, unknown> = optionsFromEnvironment(process.env, ENGINE);
  for (const [name, kind] of Object.entries<OptionKind>(ENGINE)) {
    const value = parsed[name];
    if (value !== undefined) options[name] = typeof value === 'string' ? readText(value, kind, name) : value;
  }
  return options;
}

async function openLogs(parsed: ParsedArguments): Promise<FrontLog> {
  const told = warnOnStderr;
  // Here even a wrong path is no reason to lose a migration.
  const file = await openLog(parsed['logFile'] as string | undefined, told).catch((thrown: unknown) => {
    told(toRamferryError(thrown).message);
    return openLog(undefined, told);
  });
  if (parsed['syslog'] === false) return file;
  const syslog = new Syslog(`ramferry[${process.pid}]`);
  return {
    info: (fields, message) => {
      file.info(fields, message);
      syslog.write('info', `${message} ${JSON.stringify(fields)}`);
    },
    warn: (message) => {
      file.warn(message);
      syslog.write('warning', message);
    },
    error: (error) => {
      file.error(error);
      syslog.write('err', `${error.code}: ${error.describe()}`);
      reportError(error, false);
    },
  };
}

/** For the installation: everything that a migration needs later. */
async function check(exec: string, options: Record<string, unknown>): Promise<number> {
  try {
    accessSync(exec, constants.X_OK);
  } catch (thrown) {
    throw toRamferryError(thrown, 'ERR_INPUT_OPEN', 'the real emu-manager cannot be run');
  }
  const engine = new Engine(options, warnOnStderr);
  if (libc() === undefined) {
    throw new RamferryError('ERR_CODEC_UNAVAILABLE', 'koffi has no binary for this machine', {
      hint: 'install ramferry with its dependencies on this machine',
    });
  }
  await printResult(`emu-manager ${exec} ${JSON.stringify(engine.describe())}`);
  return EXIT.success;
}
