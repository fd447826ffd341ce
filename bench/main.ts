// `npm run bench`: runs suites one after the other on one image and prints their tables, as text or as JSON lines.
// No network. All files lie in a temporary directory, which is removed at the end.

import { accessSync, constants, mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { writeImage } from '../src/image/image.js';
import { parseSize } from '../src/units.js';
import { adaptive } from './tune/adaptive.js';
import { adaptiveSensitivity } from './tune/adaptive-sensitivity.js';
import { adaptiveShort } from './tune/adaptive-short.js';
import { causes } from './causes/suite.js';
import { compatibility } from './compatibility/suite.js';
import { chunks } from './codec/chunks.js';
import { codecs } from './codec/codec-suite.js';
import { connections } from './transfer/connections.js';
import { delta } from './page-store/delta.js';
import { efficiency } from './transfer/efficiency.js';
import { emu } from './xapi/emu.js';
import { evacuation } from './xapi/evacuation.js';
import { foreign } from './transfer/foreign.js';
import { frontPipes } from './xapi/front-pipes.js';
import { memory } from './transfer/memory.js';
import { pages } from './codec/pages.js';
import { peers } from './transfer/peers.js';
import { pipeline } from './transfer/pipeline.js';
import { pipes } from './transfer/pipes.js';
import { realEmu } from './xapi/real-emu.js';
import { serve } from './serve/suite.js';
import { socket } from './transfer/socket.js';
import { streams } from './transfer/streams.js';
import { startUp } from './transfer/start-up.js';
import { tls } from './transfer/tls.js';
import { zstdParameterSuite } from './codec/zstd-parameters.js';
import type { Suite, Table } from './support/suite.js';

// Node 20 reads these certificates at every start, 45 ms that no transfer needs and that hide differences.
delete process.env['NODE_EXTRA_CA_CERTS'];

const SUITES: readonly Suite[] = [
  codecs,
  zstdParameterSuite,
  pages,
  chunks,
  pipeline,
  efficiency,
  socket,
  peers,
  startUp,
  streams,
  memory,
];
/** Suites that take long or need root. They run only when named. */
const BY_NAME: readonly Suite[] = [
  pipes,
  adaptive,
  adaptiveSensitivity,
  adaptiveShort,
  causes,
  compatibility,
  connections,
  delta,
  emu,
  evacuation,
  foreign,
  frontPipes,
  realEmu,
  serve,
  tls,
];

const GENERATED = { bytes: 256 * 1024 * 1024, seed: 1, profile: 'busy' } as const;
const MEMORY_FILES = '/dev/shm';

const USAGE = `usage: npm run bench -- [SUITE…] [--image FILE] [--scratch DIR] [--json]

  --image FILE   guest RAM to measure with; without it an image is generated (256 MiB, busy)
  --scratch DIR  where files are made (${MEMORY_FILES} where that can be written, else the system's temporary directory)
  --case NAME    only this case of a suite that has cases; can be given again
  --size SIZE    bytes of input, where a suite repeats the image (foreign: 4GiB)
  --json         results as JSON lines

suites (all, in this order, when none is named):
${SUITES.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`).join('\n')}
only when named:
${BY_NAME.map(({ name, summary, cases = [] }) => `  ${name.padEnd(12)} ${summary}\n${''.padEnd(15)}cases: ${cases.join(', ')}`).join('\n')}`;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      image: { type: 'string' },
      scratch: { type: 'string' },
      size: { type: 'string' },
      case: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const all = [...SUITES, ...BY_NAME];
  const unknown = positionals.find((name) => !all.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new Error(`no such suite: ${unknown}\n${USAGE}`);
  const suites = positionals.length === 0 ? SUITES : all.filter(({ name }) => positionals.includes(name));
  const scratch = mkdtempSync(join(values.scratch ?? scratchPlace(), 'ramferry-bench-'));
  // The scratch directory may lie in memory, so an interrupted run removes it too.
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const image = values.image ?? join(scratch, 'image.ram');
  if (values.image === undefined) await writeImage(image, GENERATED);
  const size = values.size === undefined ? undefined : parseSize(values.size, '--size');
  const report = values.json ? asJson : asText;
  about(values.image, statSync(image).size, values.json);
  for (const suite of suites) {
    const wants = (name: string): boolean => values.case?.includes(name) ?? true;
    await suite.run({ image, scratch, size, wants, report: (table) => report(suite.name, table) });
  }
  return 0;
}

function scratchPlace(): string {
  try {
    accessSync(MEMORY_FILES, constants.W_OK);
    return MEMORY_FILES;
  } catch {
    return tmpdir();
  }
}

function about(image: string | undefined, bytes: number, json: boolean): void {
  const facts = {
    node: process.version,
    cpus: cpus().length,
    model: cpus()[0]?.model.trim() ?? 'unknown',
    load: Number(loadavg()[0]!.toFixed(1)),
    image: image === undefined ? `generated (${GENERATED.profile}, seed ${GENERATED.seed})` : 'given',
    imageMiB: bytes / 1024 ** 2,
  };
  if (json) {
    console.log(JSON.stringify({ message_type: 'bench-machine', ...facts }));
    return;
  }
  console.log(
    `Node ${facts.node}, ${facts.cpus} CPUs (${facts.model}), load ${facts.load}; image ${facts.image}, ${facts.imageMiB} MiB\n`,
  );
}

function asText(_suite: string, table: Table): void {
  console.log(`### ${table.title}\n`);
  console.log(`| ${table.columns.join(' | ')} |`);
  console.log(
    `|${table.columns.map((_, at) => (typeof table.rows[0]?.[at] === 'number' ? '--:' : '---')).join('|')}|`,
  );
  for (const row of table.rows) console.log(`| ${row.join(' | ')} |`);
  console.log(table.note === undefined ? '' : `\n${table.note}.\n`);
}

function asJson(suite: string, table: Table): void {
  for (const row of table.rows) {
    const result = Object.fromEntries(table.columns.map((column, at) => [column, row[at]]));
    console.log(JSON.stringify({ message_type: 'bench-result', suite, title: table.title, ...result }));
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  console.error(`bench: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 1;
}
