// `ramferry emu-manager`: xenopsd starts this command in place of emu-manager. Options in, emu-manager's exit status out.
// xenopsd discards the command's stderr, so the command logs to the system log and to --log-file.

import { accessSync, constants } from 'node:fs';
import type { Argv } from 'yargs';
import { EXIT, RamferryError, toRamferryError } from '../../errors.js';
import { Engine } from '../../hypervisor/xapi/emu-engine.js';
import { emuManager } from '../../hypervisor/xapi/emu-manager.js';
import type { FrontLog } from '../../hypervisor/xapi/emu-conversation.js';
import { Syslog } from '../../hypervisor/xapi/syslog.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import { exitNow } from '../../os/exit.js';
import { libc } from '../../os/libc.js';
import { openLog } from '../log.js';
import { lastReports, printResult, reportError, warnOnStderr } from '../output.js';
import type { Command, ParsedArguments } from '../command.js';
import { givenOptions, offerOptions } from '../options.js';

export const emuManagerCommand: Command = {
  build: (parser: Argv) =>
    offerOptions(parser, 'emu-manager')
      .usage('$0 emu-manager [options] --exec PATH -- <the arguments that xenopsd gives>')
      // The arguments after `--` belong to another program and stay unchanged.
      .parserConfiguration({ 'populate--': true, 'short-option-groups': false, 'parse-numbers': false })
      .epilog("scripts/install-emu-manager writes the wrapper for xenopsd.conf's emu-manager."),
  run,
};

async function run(parsed: ParsedArguments): Promise<number> {
  const options = givenOptions(parsed, 'emu-manager');
  const exec = String(parsed['exec']);
  if (parsed['check'] === true) return await check(exec, options);
  const log = await openLogs(parsed);
  const controller = new AbortController();
  // The first exception aborts the migration. No exception may end this process before the real emu-manager: xenopsd waits for that.
  process.on('uncaughtException', (thrown) => controller.abort(toRamferryError(thrown)));
  const args = ((parsed['--'] as unknown[] | undefined) ?? []).map(String);
  const status = await emuManager({ options, exec, args, log, signal: controller.signal });
  await lastReports();
  // A read or write of the stream may block in the kernel, and xenopsd waits for this process to exit.
  exitNow(status);
}

async function openLogs(parsed: ParsedArguments): Promise<FrontLog> {
  // A wrong log path must not fail a migration.
  const file = await openLog(parsed['logFile'] as string | undefined, warnOnStderr).catch(
    (thrown: unknown) => {
      warnOnStderr(toRamferryError(thrown).message);
      return openLog(undefined, warnOnStderr);
    },
  );
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

/** Checks that this machine has everything that a migration needs. Called by the installation. */
async function check(exec: string, options: EmuOptions): Promise<number> {
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
