// The metrics of a command: --metrics FILE and --metrics-listen HOST:PORT. Loads nothing unless one of them is given. The file is
// written at the start, every second, and at the end with the final figures.

import { withDeadline } from '../../os/time/deadline.js';
import type { MetricsFile } from './metrics-file.js';
import type { MetricsServer } from './metrics-server.js';
import type { MetricsRegistry } from './registry.js';
import type { MigrationLabels, MigrationSample } from './sample.js';

/** Milliseconds between two texts of the file. */
const INTERVAL_MS = 1000;
/** Milliseconds that the end of a command waits for the file: a file system that hangs delays no outcome. */
const LAST_TEXT_MS = 2000;

/** Where the metrics go. */
export interface MetricsPlaces {
  /** The file of --metrics. */
  readonly file: string | undefined;
  /** The address of --metrics-listen. */
  readonly listen: string | undefined;
}

/** @returns undefined where the options ask for no metrics */
export function metricsPlaces(options: Readonly<Record<string, unknown>>): MetricsPlaces | undefined {
  const file = options['metrics'] as string | undefined;
  const listen = options['metricsListen'] as string | undefined;
  return file === undefined && listen === undefined ? undefined : { file, listen };
}

export interface MetricsHooks {
  readonly onWarning: (message: string) => void;
  /** Called with the URL of --metrics-listen. */
  readonly onMetrics: (url: string) => void;
}

export class Metrics {
  readonly #registry: MetricsRegistry;
  readonly #file: MetricsFile | undefined;
  readonly #server: MetricsServer | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  private constructor(
    registry: MetricsRegistry,
    file: MetricsFile | undefined,
    server: MetricsServer | undefined,
  ) {
    this.#registry = registry;
    this.#file = file;
    this.#server = server;
    if (file === undefined) return;
    this.#timer = setInterval(() => {
      // A slow file system loses texts; the next one has newer figures.
      this.#writing ??= this.#write(file).finally(() => (this.#writing = undefined));
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  /**
   * Begins with the metrics that the options ask for.
   * @param samples of the command's migrations, at the moment of the call
   * @param process labels of the process's own figures: those of its migration, where it has only one
   * @returns undefined where they ask for none
   * @throws RamferryError ERR_OUTPUT_OPEN, ERR_LINK_LISTEN, ERR_OPTION_INVALID
   */
  static async open(
    places: MetricsPlaces | undefined,
    samples: () => readonly MigrationSample[],
    { onWarning, onMetrics }: MetricsHooks,
    process?: MigrationLabels,
  ): Promise<Metrics | undefined> {
    if (places === undefined) return undefined;
    const { file, listen } = places;
    const { MetricsRegistry: Registry } = await import('./registry.js');
    const registry = new Registry(samples, process);
    let server: MetricsServer | undefined;
    if (listen !== undefined) {
      server = await (await import('./metrics-server.js')).MetricsServer.open(listen, registry);
      onMetrics(server.url);
    }
    if (file === undefined) return new Metrics(registry, undefined, server);
    try {
      const { MetricsFile: File } = await import('./metrics-file.js');
      return new Metrics(registry, await File.open(file, await registry.render(), onWarning), server);
    } catch (thrown) {
      server?.close();
      throw thrown;
    }
  }

  /**
   * Writes the final figures. Never rejects.
   * @param limit longest wait for the file, in milliseconds
   */
  async close(limit: number = LAST_TEXT_MS): Promise<void> {
    clearInterval(this.#timer);
    const file = this.#file;
    if (file !== undefined) await withDeadline(this.#writeLast(file), limit, () => undefined);
    this.#server?.close();
  }

  async #writeLast(file: MetricsFile): Promise<void> {
    await this.#writing;
    await this.#write(file);
  }

  async #write(file: MetricsFile): Promise<void> {
    await file.write(await this.#registry.render());
  }
}
