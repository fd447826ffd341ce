// `ramferry emu-manager`: xenopsd starts this command in place of emu-manager. Options in, emu-manager's exit status out.
// Command lines without options that need a check do not come here (early-front.ts).

import { accessSync, constants } from 'node:fs';
import type { Argv } from 'yargs';
import { EXIT, RamferryError, toRamferryError } from '../../errors.js';
import { Engine } from '../../hypervisor/xapi/emu-engine.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import { libc } from '../../os/libc.js';
import { runFront } from '../front/front.js';
import { printResult, warnOnStderr } from '../output/output.js';
import type { Command, ParsedArguments } from '../command.js';
import { metricsPlaces } from '../metrics/metrics.js';
import { checkPlaces } from '../metrics/front-metrics.js';
import { givenOptions, offerOptions } from '../settings/options.js';

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
  const metrics = metricsPlaces(parsed);
  if (parsed['check'] === true) {
    if (metrics !== undefined) await checkPlaces(metrics);
    return await check(exec, options);
  }
  const args = ((parsed['--'] as unknown[] | undefined) ?? []).map(String);
  const logFile = parsed['logFile'] as string | undefined;
  const syslog = parsed['syslog'] !== false;
  return await runFront({ exec, args, logFile, syslog, metrics, options, early: false });
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
