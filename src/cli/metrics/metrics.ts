// The metrics of a command: --metrics FILE and --metrics-listen HOST:PORT. Loads nothing unless one of them is given. The file is
// written at the start, every second, and at the end with the final figures.

import { withDeadline } from '../../os/deadline.js';
import type { ParsedArguments } from '../command.js';
import type { MetricsFile } from './metrics-file.js';
import type { MetricsServer } from './metrics-server.js';
import type { MetricsRegistry } from './registry.js';
import type { MigrationSample } from './sample.js';

/** Milliseconds between two texts of the file. */
const INTERVAL_MS = 1000;
/** Milliseconds that the end of a command waits for the file: a file system that hangs delays no outcome. */
const LAST_TEXT_MS = 2000;

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
   * Begins with the metrics that the command line asks for.
   * @param samples of the command's migrations, at the moment of the call
   * @returns undefined where it asks for none
   * @throws RamferryError ERR_OUTPUT_OPEN, ERR_LINK_LISTEN, ERR_OPTION_INVALID
   */
  static async open(
    parsed: ParsedArguments,
    samples: () => readonly MigrationSample[],
    { onWarning, onMetrics }: MetricsHooks,
  ): Promise<Metrics | undefined> {
    const path = parsed['metrics'] as string | undefined;
    const address = parsed['metricsListen'] as string | undefined;
    if (path === undefined && address === undefined) return undefined;
    const { MetricsRegistry: Registry } = await import('./registry.js');
    const registry = new Registry(samples);
    let server: MetricsServer | undefined;
    if (address !== undefined) {
      server = await (await import('./metrics-server.js')).MetricsServer.open(address, registry);
      onMetrics(server.url);
    }
    if (path === undefined) return new Metrics(registry, undefined, server);
    try {
      const { MetricsFile: File } = await import('./metrics-file.js');
      return new Metrics(registry, await File.open(path, await registry.render(), onWarning), server);
    } catch (thrown) {
      server?.close();
      throw thrown;
    }
  }

  /** Writes the final figures. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const file = this.#file;
    if (file !== undefined) await withDeadline(this.#writeLast(file), LAST_TEXT_MS, () => undefined);
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
