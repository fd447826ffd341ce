// The metrics in Prometheus' text format, by prom-client. Loaded only with --metrics or --metrics-listen. Each rendering reads the
// samples anew; a figure that no sample has is absent. Names and types are KubeVirt's where it has the metric.

import client from 'prom-client';

import { ProcessClock } from '../../os/processor/cpu-time.js';
import { packageVersion } from '../../os/version.js';
import type { MigrationFigures, MigrationLabels, MigrationSample } from './sample.js';

const LABELS = ['migration', 'side'] as const;

/** The metrics of one migration that are one number each. */
const FIGURES = {
  total: {
    name: 'data_bytes_total',
    help: "Bytes of the guest's stream, where its length is known.",
    isCounter: true,
  },
  processed: {
    name: 'data_processed_bytes',
    help: "Bytes of the guest's stream that were read or restored.",
  },
  remaining: { name: 'data_remaining_bytes', help: "Bytes of the guest's stream that are still to come." },
  transferred: { name: 'transferred_bytes', help: 'Bytes on the link, after compression.' },
  dirtyRate: {
    name: 'dirty_memory_rate_bytes',
    help: 'Bytes of the pages that the guest writes to per second.',
  },
  ratio: { name: 'compression_ratio', help: "Bytes of the guest's stream per byte on the link." },
  downtime: {
    name: 'last_downtime_duration_seconds',
    help: 'Seconds for which the guest stood still, where ramferry has observed it.',
  },
  iteration: { name: 'iteration', help: 'Rounds of pre-copy that have begun.' },
  linkBreaks: {
    name: 'link_breaks_total',
    help: 'Connections of the link that broke, with --reconnect.',
    isCounter: true,
  },
  linkReconnects: {
    name: 'link_reconnects_total',
    help: 'Connections that replaced a broken one.',
    isCounter: true,
  },
  linkAway: {
    name: 'link_away_seconds_total',
    help: 'Seconds for which no connection of the link lived.',
    isCounter: true,
  },
} as const satisfies Partial<Record<keyof MigrationFigures, Figure>>;

interface Figure {
  readonly name: string;
  readonly help: string;
  readonly isCounter?: true;
}

export class MetricsRegistry {
  readonly #registry = new client.Registry();
  readonly #clock = new ProcessClock();
  readonly #samples: () => readonly MigrationSample[];
  readonly #processLabels: Partial<MigrationLabels>;

  /**
   * @param samples of the migrations, at this moment
   * @param process labels of the process's own figures. node_exporter reads the files of several processes as one set, and refuses a
   * series that occurs twice.
   */
  constructor(samples: () => readonly MigrationSample[], process?: MigrationLabels) {
    this.#samples = samples;
    this.#processLabels = process ?? {};
    for (const [key, figure] of Object.entries(FIGURES)) this.#addFigure(key as keyof typeof FIGURES, figure);
    this.#addOutcomes();
    this.#addSwitches();
    this.#addProcess();
  }

  /** The content type of the text. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of all metrics. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  #addFigure(key: keyof typeof FIGURES, { name, help, isCounter }: Figure): void {
    const samples = this.#samples;
    const options = {
      name: `ramferry_migration_${name}`,
      help,
      labelNames: LABELS,
      registers: [this.#registry],
    };
    const values = function* (): Iterable<readonly [MigrationSample['labels'], number]> {
      for (const { labels, figures } of samples()) {
        const value = figures[key];
        if (value !== undefined) yield [labels, value];
      }
    };
    if (isCounter === true) {
      new client.Counter({
        ...options,
        collect() {
          this.reset();
          for (const [labels, value] of values()) this.inc(labels, value);
        },
      });
      return;
    }
    new client.Gauge({
      ...options,
      collect() {
        this.reset();
        for (const [labels, value] of values()) this.set(labels, value);
      },
    });
  }

  #addOutcomes(): void {
    const samples = this.#samples;
    new client.Gauge({
      name: 'ramferry_migration_succeeded',
      help: '1 when the migration has succeeded, 0 before and after a failure.',
      labelNames: LABELS,
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, succeeded } of samples()) this.set(labels, succeeded ? 1 : 0);
      },
    });
    new client.Gauge({
      name: 'ramferry_migration_failed',
      help: '1 when the migration has failed, with the code of its error; absent otherwise.',
      labelNames: [...LABELS, 'code'] as const,
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, failed } of samples()) {
          if (failed !== undefined) this.set({ ...labels, code: failed }, 1);
        }
      },
    });
  }

  #addSwitches(): void {
    const samples = this.#samples;
    new client.Counter({
      name: 'ramferry_codec_switches_total',
      help: 'Switches of adaptive mode, by the codec and level that they led to.',
      labelNames: [...LABELS, 'to'] as const,
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, figures } of samples()) {
          for (const [to, count] of Object.entries(figures.switches ?? {}))
            this.inc({ ...labels, to }, count);
        }
      },
    });
  }

  #addProcess(): void {
    const clock = this.#clock;
    const labels = this.#processLabels;
    const labelNames = Object.keys(labels) as (keyof MigrationLabels)[];
    new client.Counter({
      name: 'ramferry_cpu_seconds_total',
      help: 'Processor time of the process since its transfers began: its main thread, and all others (compression, input and output).',
      labelNames: [...labelNames, 'thread'] as const,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc({ ...labels, thread: 'main' }, Math.max(0, clock.own()));
        this.inc({ ...labels, thread: 'others' }, clock.others());
      },
    });
    new client.Gauge({
      name: 'ramferry_build_info',
      help: 'Always 1; the labels name the versions.',
      labelNames: [...labelNames, 'version', 'node'] as const,
      registers: [this.#registry],
    }).set({ ...labels, version: packageVersion(), node: process.versions.node }, 1);
  }
}
