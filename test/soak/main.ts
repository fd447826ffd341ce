// The soak: kills processes and cuts links at drawn moments, over all kinds of link, and judges every outcome by the
// documented rule. usage: main.js [--trials N] [--seed N] [--only KIND]. Exits with 1 when a trial violates the rule, and
// prints the options that repeat the violation.

import process from 'node:process';
import { parseArgs } from 'node:util';

import { type Action, type Extent, type Kind, KINDS, type Moment, type Played } from './kinds.js';
import { Mulberry32 } from '../../lab/random.js';
import { type End, outcomeOf, type Violation, violations } from './rules.js';
import { Stage } from './stage.js';

interface Plan {
  readonly kind: Kind;
  readonly action: Action;
  readonly moment: Moment;
}

/** Bytes at the end of a transfer, with the result message. Every fifth moment lies among them. */
const LAST_BYTES = 400;

function plan(seed: number, kinds: readonly Kind[], extents: ReadonlyMap<Kind, Extent>): Plan {
  const draw = new Mulberry32(seed);
  // The first numbers of neighbouring seeds are similar, so eight draws are dropped.
  for (let i = 0; i < 8; i++) draw.unit();
  const kind = draw.pick(kinds);
  const extent = extents.get(kind)!;
  const cut = kind.cuts && draw.unit() < 0.5;
  const action: Action = cut
    ? { kind: 'cut', how: draw.pick(['reset', 'close', 'half-close', 'reset', 'stall'] as const) }
    : {
        kind: 'kill',
        victim: draw.pick(kind.victims),
        signal: draw.pick(['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const),
      };
  const where = draw.unit();
  const direction = extent.backward > 0 && draw.unit() < 0.3 ? 'backward' : 'forward';
  const size = extent[direction];
  const bytes =
    where < 0.15
      ? 'end'
      : where < 0.35
        ? Math.max(0, size - draw.below(LAST_BYTES))
        : where < 0.45
          ? draw.below(LAST_BYTES)
          : draw.below(size + 1);
  return {
    kind,
    action,
    moment: { stop: { direction, bytes }, milliseconds: draw.unit() * 1.2 * extent.milliseconds },
  };
}

function describe({ kind, action, moment }: Plan): string {
  const what =
    action.kind === 'kill'
      ? `${action.signal} to the ${action.victim}`
      : action.kind === 'cut'
        ? action.how
        : '';
  const when = kind.cuts
    ? `${moment.stop.direction} ${moment.stop.bytes}`
    : `after ${Math.round(moment.milliseconds)} ms`;
  return `${kind.name}: ${what}, ${when}`;
}

/** The ends of a trial in the order of the data flow. */
function endsOf({ sender, receiver, guests }: Played): End[] {
  const ends = [sender, ...(receiver === undefined ? [] : [receiver])];
  return guests === undefined ? ends : [guests.source, ...ends, guests.destination];
}

function outcomes(played: Played): string {
  return endsOf(played).map(outcomeOf).join(' / ');
}

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '500' },
    kills: { type: 'string' },
    breaks: { type: 'string' },
    libvirt: { type: 'string' },
    channels: { type: 'string' },
    direct: { type: 'boolean', default: false },
    outages: { type: 'string' },
    serve: { type: 'string' },
    stops: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const trials = Number(
  values.stops ??
    values.serve ??
    values.outages ??
    values.channels ??
    values.libvirt ??
    values.breaks ??
    values.kills ??
    values.trials,
);
const seed = Number(values.seed);
if (!Number.isSafeInteger(trials) || trials < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write(
    'usage: scripts/soak [--trials N | --breaks N | --libvirt N | --channels N | --outages N | --serve ROUNDS | --stops ROUNDS] [--seed N] [--only KIND] [--verbose]\n',
  );
  process.exit(2);
}

if (values.serve !== undefined) {
  const { soakServe } = await import('./serve.js');
  process.exit((await soakServe(trials)) === 0 ? 0 : 1);
}

if (values.stops !== undefined) {
  const { soakStops } = await import('./stops.js');
  process.exit((await soakStops(trials, values.only)) === 0 ? 0 : 1);
}

if (values.breaks !== undefined) {
  const { soakBreaks } = await import('./breaks.js');
  process.exit((await soakBreaks(trials, seed, values.verbose)) === 0 ? 0 : 1);
}

if (values.libvirt !== undefined) {
  const { soakLibvirt } = await import('./libvirt.js');
  process.exit((await soakLibvirt(trials, seed, values.only)) === 0 ? 0 : 1);
}

if (values.outages !== undefined) {
  const { soakOutages } = await import('./outages.js');
  process.exit((await soakOutages(trials, values.only)) === 0 ? 0 : 1);
}

if (values.channels !== undefined) {
  const { soakChannels } = await import('./channels.js');
  process.exit((await soakChannels(trials, values.only, values.direct)) === 0 ? 0 : 1);
}

const stage = await Stage.open();
const kinds = KINDS.filter(({ name }) => values.only === undefined || name === values.only);
if (kinds.length === 0) throw new Error(`--only is one of: ${KINDS.map(({ name }) => name).join(', ')}`);
const extents = new Map<Kind, Extent>();
for (const kind of kinds) {
  const before = performance.now();
  const played = await kind.play(stage, { kind: 'none' }, undefined);
  if (endsOf(played).some(({ status }) => status !== 0) || played.destination.output !== 'whole')
    throw new Error(`${kind.name} fails without any fault: ${played.said}`);
  extents.set(kind, { ...played.counts, milliseconds: performance.now() - before });
}

const counts = new Map<string, number>();
const found = new Map<Violation, number>();
let failed = 0;
for (let i = 0; i < trials; i++) {
  const one = plan(seed + i, kinds, extents);
  const played: Played = await one.kind.play(stage, one.action, one.moment);
  const pair = `${one.kind.name}: ${outcomes(played)}, output ${played.destination.output}`;
  counts.set(pair, (counts.get(pair) ?? 0) + 1);
  const wrong = violations(played);
  if (values.verbose) process.stdout.write(`${seed + i} ${describe(one)} -> ${pair}\n`);
  if (wrong.length === 0) continue;
  failed++;
  for (const violation of wrong) found.set(violation, (found.get(violation) ?? 0) + 1);
  const statuses = endsOf(played).map((end) => end.status ?? end.signal ?? '-');
  process.stdout.write(
    `VIOLATION ${wrong.join(', ')}: ${describe(one)} -> ${pair} (${statuses.join(', ')})\n` +
      `  again: scripts/soak --trials 1 --seed ${seed + i}${values.only === undefined ? '' : ` --only '${values.only}'`}\n` +
      `  ${played.said.trim().split('\n').slice(-4).join('\n  ').slice(0, 1500)}\n`,
  );
}
stage.close();
for (const [pair, count] of [...counts].sort())
  process.stdout.write(`${String(count).padStart(5)}  ${pair}\n`);
const counted = (violation: Violation): string => `${found.get(violation) ?? 0} × ${violation}`;
const ALL: readonly Violation[] = [
  'half file',
  'false success',
  'doubled',
  'hang',
  'crash',
  'silent',
  'leftover',
  'false incomplete',
];
process.stdout.write(
  `soak: ${trials} trials, seed ${seed}: ${failed} failed; ${ALL.map(counted).join(', ')}\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
