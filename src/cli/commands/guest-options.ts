// The options of the simulated guest's commands as the command line shows them, and their way into the library's.
// Defaults are not repeated here: what is not given is left out.

import type { Options } from 'yargs';
import { readText, type OptionKind } from '../environment.js';
import { GUEST_FORMATS, WRITE_PATTERNS } from '../../options/amounts.js';
import { IMAGE_PROFILES } from '../../image/image.js';
import type { ParsedArguments } from '../command.js';

export const GUEST_OPTIONS: Record<string, Options> = {
  size: { describe: 'RAM of a generated guest (1GiB)', requiresArg: true },
  profile: { describe: `what generated RAM is like: ${IMAGE_PROFILES.join(', ')} (idle)`, requiresArg: true },
  image: { describe: 'RAM from this image instead', requiresArg: true, type: 'string' },
  seed: { describe: 'of everything that is made up (1)', requiresArg: true },
  format: { describe: `the stream: ${GUEST_FORMATS.join(', ')} (qemu)`, requiresArg: true },
  'working-set': { describe: 'memory that is written to (a quarter of RAM)', requiresArg: true },
  pattern: {
    describe: `what a write does to a page: ${WRITE_PATTERNS.join(', ')} (integers)`,
    requiresArg: true,
  },
  'downtime-limit': {
    describe: 'pause the guest when what is left takes no longer (300ms)',
    requiresArg: true,
  },
  'max-rounds': { describe: 'pause it after so many live rounds all the same (30)', requiresArg: true },
  rounds: { describe: 'exactly so many live rounds instead', requiresArg: true },
};

export const REPORT_OPTIONS: Record<string, Options> = {
  quiet: { alias: 'q', describe: 'no rounds and no summary', type: 'boolean' },
  json: { describe: 'report in JSON lines', type: 'boolean' },
};

export const LINK_OPTIONS: Record<string, Options> = {
  'one-way': { describe: 'no acknowledgement, though the link goes both ways', type: 'boolean' },
  'connect-timeout': {
    describe: 'how long to wait for a connection (10s; listening: for ever)',
    requiresArg: true,
  },
  'io-timeout': { describe: 'how long the link may be silent (30s; 0 = for ever)', requiresArg: true },
  ...REPORT_OPTIONS,
};

/** How the text of each option is read; what is missing here is text. */
const KINDS: Readonly<Record<string, OptionKind>> = {
  seed: 'number',
  maxRounds: 'number',
  rounds: 'number',
  compressLevel: 'number',
  compressThreads: 'number',
  decompressThreads: 'number',
};

/** Those of `names` that were given; names in kebab case. Everything else is checked at the library's door. */
export function gatherGuest(parsed: ParsedArguments, names: readonly string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const kebab of names) {
    const name = kebab.replace(/-[a-z]/g, (part) => part.charAt(1).toUpperCase());
    const value = parsed[name];
    if (value === undefined || name === 'json' || name === 'quiet') continue;
    options[name] = typeof value === 'string' ? readText(value, KINDS[name] ?? 'text', name) : value;
  }
  return options;
}
