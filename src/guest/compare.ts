// The comparison of QEMU's multi-thread-compression document with the simulated guest: idle and writing, without
// compression (source → link → destination) and with it (source → send → link → receive → destination).
// Every part is a process of its own, as on two hosts. Each reports its processor time and memory.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type RamferryError, toRamferryError } from '../errors.js';
import type { KebabKeys } from '../transfer/statistics/kebab-keys.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import { CommandProcess, type JsonLine } from '../os/process/command-process.js';
import type { DestinationSummary } from './destination.js';
import { canMakeNetwork, makeNetwork, type Network } from './network.js';
import { resolveCompareOptions, type ResolvedCompareOptions } from './options.js';
import type { CompareOptions } from '../options/rows/guest.js';
import type { RoundStatistics } from './precopy.js';
import type { SourceSummary } from './source.js';
import { makeScratch } from '../io/file/scratch.js';

/** One migration. */
export interface Migration {
  readonly source: SourceSummary;
  readonly destination: DestinationSummary;
  /** Only with compression. */
  readonly send?: KebabKeys<TransferSummary>;
  readonly receive?: KebabKeys<TransferSummary>;
}

export interface Comparison {
  readonly load: 'idle' | 'writer';
  readonly without: Migration;
  readonly with: Migration;
}

export interface CompareSummary {
  readonly shaping: 'tc' | 'max-bandwidth';
  /** Bytes per second of the link. */
  readonly link: number;
  readonly comparisons: readonly Comparison[];
}

export interface CompareHooks {
  /** The command that starts ramferry: program and first arguments. */
  readonly command: readonly string[];
  readonly signal?: AbortSignal;
  readonly onMigration?: (load: Comparison['load'], compressed: boolean) => void;
  readonly onRound?: (round: RoundStatistics) => void;
  readonly onWarning?: (message: string) => void;
}

/** @throws RamferryError the error of the part that failed, ERR_OPTION_INVALID, or ERR_LINK_COMMAND when tc does not work */
export async function compareGuests(options: CompareOptions, hooks: CompareHooks): Promise<CompareSummary> {
  const settings = resolveCompareOptions(options);
  const { shaping, link } = settings;
  const network =
    shaping === 'tc' || (shaping === 'auto' && canMakeNetwork()) ? makeNetwork(link) : undefined;
  const folder = makeScratch('ramferry-guest-');
  const parts = new Parts(settings, hooks, network, folder);
  // The abort listener cleans up at once, because the process may end before the failure reaches `finally`.
  const cleanUp = (): void => {
    parts.kill();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  hooks.signal?.addEventListener('abort', cleanUp, { once: true });
  try {
    const comparisons: Comparison[] = [];
    for (const load of ['idle', 'writer'] as const) {
      hooks.onMigration?.(load, false);
      const without = await parts.migrate(load, false);
      hooks.onMigration?.(load, true);
      comparisons.push({ load, without, with: await parts.migrate(load, true) });
    }
    return { shaping: network === undefined ? 'max-bandwidth' : 'tc', link, comparisons };
  } finally {
    hooks.signal?.removeEventListener('abort', cleanUp);
    cleanUp();
  }
}

/** Codes with which a part fails after another part has failed. They are consequences, not the reason to report. */
const CONSEQUENCES = ['ERR_LINK_CLOSED', 'ERR_PEER_FAILED', 'ERR_STREAM_TRUNCATED', 'ERR_INPUT_TRUNCATED'];

class Parts {
  readonly #running = new Set<CommandProcess>();
  #count = 0;

  constructor(
    private readonly settings: ResolvedCompareOptions,
    private readonly hooks: CompareHooks,
    private readonly network: Network | undefined,
    private readonly folder: string,
  ) {}

  kill(): void {
    for (const child of this.#running) child.kill();
  }

  async migrate(load: Comparison['load'], compressed: boolean): Promise<Migration> {
    try {
      return compressed ? await this.#migrateThroughRamferry(load) : await this.#migrateDirectly(load);
    } finally {
      this.kill();
      await Promise.allSettled([...this.#running].map(({ ended }) => ended));
      this.#running.clear();
    }
  }

  async #migrateDirectly(load: Comparison['load']): Promise<Migration> {
    const destination = this.#atDestination('destination', [
      'guest',
      'destination',
      this.#listen(),
      '--ram-limit',
      '1T',
    ]);
    const link = await this.#connect(destination);
    const limit = this.network === undefined ? ['--max-bandwidth', String(this.settings.link)] : [];
    const source = this.#source(link, load, limit);
    return await this.#all<Migration>({ destination, source });
  }

  async #migrateThroughRamferry(load: Comparison['load']): Promise<Migration> {
    const { settings } = this;
    const [into, outOf] = ['in', 'out'].map((name) => join(this.folder, `${name}${this.#count++}`));
    const destination = this.#atDestination('destination', [
      ...['guest', 'destination', `unix-listen:${into!}`, '--ram-limit', '1T'],
    ]);
    const receive = this.#atDestination('receive', [
      ...['receive', this.#listen(), `unix:${into!}`],
      ...given({ '--decompress-threads': settings.decompressThreads }),
    ]);
    const link = await this.#connect(receive);
    const limit = this.network === undefined ? settings.link : undefined;
    const send = this.#atSource('send', [
      ...['send', `unix-listen:${outOf!}`, link],
      ...given({
        '--max-bandwidth': limit,
        '--codec': settings.codec,
        '--compress-level': settings.compressLevel,
        '--compress-threads': settings.compressThreads,
      }),
    ]);
    await send.line('listening');
    const source = this.#source(`unix:${outOf!}`, load, []);
    return await this.#all<Migration>({ destination, receive, send, source });
  }

  #source(output: string, load: Comparison['load'], more: readonly string[]): CommandProcess {
    const { format, image, size, profile, seed, pattern, workingSet, dirtyRate } = this.settings;
    const { downtimeLimit, maxRounds, rounds } = this.settings;
    const options = given({
      '--format': format,
      '--image': image,
      '--size': size,
      '--profile': profile,
      '--seed': seed,
      '--pattern': pattern,
      '--working-set': workingSet,
      '--dirty-rate': load === 'idle' ? 0 : dirtyRate,
      '--downtime-limit': downtimeLimit,
      '--max-rounds': maxRounds,
      '--rounds': rounds,
    });
    return this.#atSource('source', ['guest', 'source', output, ...options, ...more], (line) => {
      if (line['message_type'] === 'round') this.hooks.onRound?.(line as unknown as RoundStatistics);
    });
  }

  #listen(): string {
    return `tcp-listen:${this.network?.address ?? '127.0.0.1'}:0`;
  }

  async #connect(listener: CommandProcess): Promise<string> {
    const { address } = await listener.line('listening');
    return String(address).replace(/^tcp-listen:/, 'tcp:');
  }

  #atSource(name: string, args: readonly string[], onLine?: (line: JsonLine) => void): CommandProcess {
    return this.#start(name, args, this.network?.atSource, onLine);
  }

  #atDestination(name: string, args: readonly string[]): CommandProcess {
    return this.#start(name, args, this.network?.atDestination);
  }

  #start(
    name: string,
    args: readonly string[],
    place: ((command: readonly string[]) => readonly string[]) | undefined,
    onLine?: (line: JsonLine) => void,
  ): CommandProcess {
    if (this.hooks.signal?.aborted === true) throw toRamferryError(this.hooks.signal.reason);
    // The source reports its rounds only without --quiet. The other parts' progress is not shown.
    const quiet = name === 'source' ? [] : ['--quiet'];
    const command = [...this.hooks.command, ...args, '--json', ...quiet];
    const child = new CommandProcess(place === undefined ? command : place(command), {
      name,
      onLine: (line) => {
        const message = line['message_type'] === 'warning' ? String(line['message']) : undefined;
        // The warning about an open port does not apply: a port in the namespace is reachable only from its parts.
        if (message !== undefined && !message.startsWith('listening on')) {
          this.hooks.onWarning?.(`${name}: ${message}`);
        }
        onLine?.(line);
      },
    });
    this.#running.add(child);
    return child;
  }

  /** @returns the summaries of all parts. @throws the error that made the other parts fail */
  async #all<Result>(children: Readonly<Record<string, CommandProcess>>): Promise<Result> {
    const summaries: Record<string, JsonLine> = {};
    const failures: RamferryError[] = [];
    await Promise.all(
      Object.entries(children).map(async ([name, child]) => {
        try {
          summaries[name] = await child.summary();
        } catch (thrown) {
          const error = toRamferryError(thrown);
          failures.push(error);
          // The other parts would wait for the failed one. After one of CONSEQUENCES they end by themselves.
          if (!CONSEQUENCES.includes(error.code)) this.kill();
        }
      }),
    );
    const reason = failures.find(({ code }) => !CONSEQUENCES.includes(code)) ?? failures[0];
    if (reason !== undefined) throw reason;
    return summaries as Result;
  }
}

/** The options that have a value, as command-line arguments. */
function given(options: Readonly<Record<string, string | number | undefined>>): string[] {
  return Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [name, String(value)],
  );
}
