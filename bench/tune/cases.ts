// Checks the choices of `tune`. For each case (an image, a link) it runs `tune`, then its choice and a sweep of other
// settings: two namespaces, a cable of that rate (tc), one processor for each side, the commands as users start them.
// Prints one JSON line a case; `--table FILE` makes tables from them. Needs root. Run: node dist/bench/tune/cases.js --help

import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { median } from 'simple-statistics';

import { MIB } from '../../src/units.js';
import { cut } from '../support/files.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { Command, ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { BANDWIDTH, SIZES, SWEEPS } from './sweeps.js';
import { type CaseResult, type LinkRate, printTables } from './tables.js';
import { runPipeline, within } from '../xapi/zstd-pipeline.js';

interface Advice {
  /** Reasons for a withheld recommendation. */
  readonly withheld?: readonly string[];
  readonly recommended: AdviceRow;
  readonly alternatives: readonly AdviceRow[];
  readonly uncompressed: AdviceRow;
  readonly took: number;
}

interface AdviceRow {
  readonly settings: { readonly codec: string; readonly level: number; readonly chunkSize: number };
  readonly seconds: number;
}

const name = ({ settings: { codec, level, chunkSize } }: AdviceRow): string =>
  `${codec} ${level} ${chunkSize / MIB}MiB`;

/** The contender that does not run ramferry: zstd as xenopsd runs it. */
const XAPI = 'xapi';
const PORT = 9000;
const CPU = { source: '0', destination: '1' };
/** Time from the receiver's start to the sender's, as on real hosts. */
const LISTENING_MS = 1_000;
/** A run is ended when it takes this many times as long as the best so far. */
const MAX_SLOWDOWN = 1.6;

/** Prefixes a command so that it runs on one processor, in the namespace of its side. */
function placed(network: Network, side: 'source' | 'destination', command: readonly string[]): string[] {
  return within(network[side], CPU[side], command);
}

/** Runs one transfer. @returns seconds of the sender's command; Infinity when it took longer than `limit` seconds */
async function transfer(
  network: Network,
  image: string,
  options: readonly string[],
  limit = Infinity,
): Promise<number> {
  const receiver = new Command(
    placed(network, 'destination', ramferry('receive', `tcp-listen:${network.address}:0`, '/dev/null')),
  );
  const [, address] = await receiver.says(/listening on (tcp:\S+)/);
  await sleep(LISTENING_MS);
  const bounded = limit < Infinity ? ['timeout', String(limit)] : [];
  const command = [...bounded, ...ramferry('send', '-q', ...options, image, address!)];
  try {
    return (await run(placed(network, 'source', command))).wall;
  } catch (thrown) {
    if (bounded.length > 0 && String(thrown).includes('ended with 124')) return Infinity;
    throw thrown;
  } finally {
    await receiver.ended;
  }
}

function optionsOf(settings: string): string[] {
  const [codec, level, chunk] = settings.split(' ') as [string, string, string];
  return [
    ...['--codec', codec, '--compress-threads', '1', '--chunk-size', chunk],
    ...(codec === 'none' ? [] : ['--compress-level', level]),
  ];
}

interface CaseOptions {
  readonly name: string;
  readonly link: LinkRate;
  readonly image: string;
  readonly runs: number;
  readonly also: readonly string[];
  readonly budget: string;
}

/** Runs `tune` for the image on this link. @returns its recommendation */
async function adviceFor(network: Network, { link, image, budget }: CaseOptions): Promise<Advice> {
  const asked = ramferry('tune', image, '--json', '-q', '--budget', budget);
  const { stdout } = await run(
    placed(network, 'source', [...asked, '--bandwidth', BANDWIDTH[link], '--writer', 'discard']),
  );
  const advice = JSON.parse(stdout) as Advice;
  if (advice.withheld !== undefined) {
    throw new Error(`tune recommends nothing here: ${advice.withheld.join('; ')}`);
  }
  return advice;
}

/** The transfers of one case and how long they took. */
class Race {
  readonly #network: Network;
  readonly #image: string;
  /** Seconds of every run, by contender. */
  readonly #times: Record<string, number[]> = {};
  #best = Infinity;

  constructor(network: Network, image: string) {
    this.#network = network;
    this.#image = image;
  }

  /**
   * @param contenders contenders that run at least once
   * @param always contenders that run to their end, and in every round
   */
  async run(contenders: ReadonlySet<string>, always: readonly string[], rounds: number): Promise<void> {
    // Warm-up, since the first run has cold caches.
    await transfer(this.#network, this.#image, optionsOf('zstd 1 1MiB'));
    for (const each of contenders) {
      await this.#once(each, always.includes(each) ? Infinity : MAX_SLOWDOWN * this.#best + 1);
    }
    // The settings that may be the best, and the chosen ones, run again in turns. Every other turn has the opposite order.
    // Without that, occasional slowdowns of the machine would hit the first of each turn more often.
    for (let round = 1; round < rounds; round++) {
      const order = [...contenders].sort((a, b) => median(this.#times[a]!) - median(this.#times[b]!));
      const again = [...new Set([...always, ...order.slice(0, 4)])];
      for (const each of round % 2 === 1 ? again : again.reverse()) await this.#once(each);
    }
  }

  /** Median seconds of the contenders that completed. */
  medians(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.#times)
        .map(([each, found]) => [each, median(found)] as const)
        .filter(([, seconds]) => seconds < Infinity),
    );
  }

  async #once(contender: string, limit = Infinity): Promise<void> {
    const found = (this.#times[contender] ??= []);
    if (contender === XAPI) {
      const cpus = { senderCpu: CPU.source, receiverCpu: CPU.destination };
      found.push(
        (await runPipeline({ network: this.#network, file: this.#image, port: PORT, ...cpus })).wall,
      );
      return;
    }
    const options = contender.startsWith('--') ? contender.split(' ') : optionsOf(contender);
    const seconds = await transfer(this.#network, this.#image, options, limit);
    found.push(seconds);
    this.#best = Math.min(this.#best, seconds);
  }
}

async function runCase(options: CaseOptions): Promise<CaseResult> {
  const { link, image, also } = options;
  const network = createNetwork(link);
  try {
    const advice = await adviceFor(network, options);
    const choice = name(advice.recommended);
    const rows = [advice.recommended, ...advice.alternatives, advice.uncompressed];
    const slow = ['30mbit', '100mbit', '300mbit'].includes(link);
    const contenders = new Set([
      choice,
      ...advice.alternatives.slice(0, 2).map(name),
      ...SWEEPS[slow ? 'slow' : 'fast'],
      ...also,
    ]);
    const race = new Race(network, image);
    await race.run(contenders, [choice, ...also], options.runs);
    return {
      image: options.name,
      link,
      mib: statSync(image).size / MIB,
      seconds: race.medians(),
      choice,
      predicted: Object.fromEntries(rows.map((row) => [name(row), row.seconds])),
      tuneSeconds: advice.took / 1e3,
    };
  } finally {
    network.remove();
  }
}

const USAGE = `usage: node dist/bench/tune/cases.js --image NAME=FILE --case NAME-LINK… [options]
       node dist/bench/tune/cases.js --table FILE

  --image NAME=FILE  a RAM image; NAME is busy or idle
  --case NAME-LINK   for example busy-1gbit; LINK: ${Object.keys(BANDWIDTH).join(', ')}; or all: every image on every link
  --runs N           runs of the settings that may be the best (3)
  --budget TIME      of tune (20s)
  --also OPTIONS     one more contender: options of send, for example "--adaptive"; or xapi, its pipeline (socat, zstd)
  --out FILE         append the results there, one JSON line a case; cases that are there already are left out, so that a
                     run that was interrupted goes on where it stood
  --scratch DIR      where images are cut or repeated (/dev/shm)`;

/** @param asked names of cases; `all` stands for every given image on every link */
function casesOf(asked: readonly string[], images: Iterable<string>): string[] {
  if (!asked.includes('all')) return [...asked];
  return [...images].flatMap((image) => Object.keys(BANDWIDTH).map((link) => `${image}-${link}`));
}

function readResults(file: string): CaseResult[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as CaseResult);
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      image: { type: 'string', multiple: true, default: [] },
      case: { type: 'string', multiple: true, default: [] },
      runs: { type: 'string', default: '3' },
      budget: { type: 'string', default: '20s' },
      also: { type: 'string', multiple: true, default: [] },
      out: { type: 'string' },
      table: { type: 'string' },
      scratch: { type: 'string', default: '/dev/shm' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.table !== undefined) {
    console.log(printTables(readResults(values.table)));
    return;
  }
  if (values.help || values.case.length === 0) {
    console.log(USAGE);
    return;
  }
  const images = new Map(values.image.map((each) => each.split('=', 2) as [string, string]));
  const scratch = mkdtempSync(join(values.scratch, 'ramferry-tune-cases-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const { out } = values;
  const done = new Set(
    out === undefined || !existsSync(out)
      ? []
      : readResults(out).map(({ image, link }) => `${image}-${link}`),
  );
  for (const each of casesOf(values.case, images.keys()).filter((name) => !done.has(name))) {
    const [imageName, link] = each.split('-') as [string, LinkRate];
    const mib = SIZES[imageName]?.[link];
    const source = images.get(imageName);
    if (mib === undefined || source === undefined) throw new Error(`no such case: ${each}\n${USAGE}`);
    const image = cut(source, mib * MIB, join(scratch, `${each}.ram`));
    const result = await runCase({
      name: imageName,
      link,
      image,
      runs: Number(values.runs),
      also: values.also,
      budget: values.budget,
    });
    rmSync(image);
    if (out !== undefined) appendFileSync(out, `${JSON.stringify(result)}\n`);
    console.log(printTables([result]));
  }
}

await main(process.argv.slice(2));
