// Recognises the command lines of `ramferry emu-manager` in which no option needs a check: paths and switches. The real emu-manager
// then starts before the parser of the command line, the options table and the engine load. All other command lines, among them
// every wrong one, go through the parser, which alone decides what is valid.

import type { EmuOptions } from '../options/rows/emu-manager.js';
import type { FrontCommand } from './front/front.js';
import { metricsPlaces } from './metrics/metrics.js';

export { fail } from './output/failure.js';
export { runFront } from './front/front.js';

/** Options with a path, or with an address that costs a warning at most, by their names on the command line. */
const TEXTS = {
  '--exec': 'exec',
  '--log-file': 'logFile',
  '--metrics': 'metrics',
  '--metrics-listen': 'metricsListen',
} as const;
type TextName = keyof typeof TEXTS;

const SWITCHES = {
  '--self-check': { selfCheck: true },
  '--no-self-check': { selfCheck: false },
  '--compress-vgpu': { compressVgpu: true },
  '--no-compress-vgpu': { compressVgpu: false },
} as const satisfies Record<string, EmuOptions>;

/** Variables that set options, or are misspelt; those of the project's own scripts set none. */
const VARIABLE = /^RAMFERRY_(?!(?:TEST|FUZZ|BENCH|STRESS|STREAMS|TRANSFERS)(?:_|$))/;

/**
 * @param args of the command line, without program names
 * @returns undefined where the parser must decide
 */
export function readEarlyFront(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): FrontCommand | undefined {
  const dashes = args.indexOf('--');
  if (args[0] !== 'emu-manager' || dashes < 0) return undefined;
  if (Object.keys(env).some((name) => VARIABLE.test(name))) return undefined;
  const own = args.slice(1, dashes);
  const texts: { [Key in (typeof TEXTS)[TextName]]?: string } = {};
  const options: { selfCheck?: boolean; compressVgpu?: boolean } = {};
  let syslog: boolean | undefined;
  for (let at = 0; at < own.length; at++) {
    const [, name, behind] = /^(--[a-z-]+)(?:=(.*))?$/s.exec(own[at]!) ?? [];
    if (name !== undefined && Object.hasOwn(TEXTS, name)) {
      const value = behind ?? own[++at];
      const key = TEXTS[name as TextName];
      if (value === undefined || !/^[^-]/.test(value) || texts[key] !== undefined) return undefined;
      texts[key] = value;
    } else if (behind === undefined && (name === '--syslog' || name === '--no-syslog')) {
      if (syslog !== undefined) return undefined;
      syslog = name === '--syslog';
    } else if (behind === undefined && name !== undefined && Object.hasOwn(SWITCHES, name)) {
      const given = SWITCHES[name as keyof typeof SWITCHES];
      if (Object.keys(given).some((key) => key in options)) return undefined;
      Object.assign(options, given);
    } else {
      return undefined;
    }
  }
  const { exec, logFile } = texts;
  if (exec === undefined) return undefined;
  const metrics = metricsPlaces(texts);
  return {
    exec,
    args: args.slice(dashes + 1),
    logFile,
    syslog: syslog ?? true,
    metrics,
    options,
    early: true,
  };
}
