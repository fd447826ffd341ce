// The metrics of a front under xapi. The migration's label is its domain; the file's name may contain the domain's number, because all
// fronts of a host have the same options. A place that cannot be used costs a warning: xapi's migration does not depend on it.

import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';

import { EXIT, type RamferryError, toRamferryError } from '../../errors.js';
import type { Carrier } from '../../hypervisor/xapi/carrier.js';
import type { EmuRequest } from '../../hypervisor/xapi/emu-arguments.js';
import type { FrontObserver } from '../../hypervisor/xapi/front-observer.js';
import { withDeadline } from '../../os/time/deadline.js';
import { MigrationMeter } from './figures.js';
import { Metrics, type MetricsHooks, type MetricsPlaces } from './metrics.js';
import type { MigrationSample } from './sample.js';

/** Milliseconds that the end of a front waits for the file: the guest waits for that end. */
const LAST_TEXT_MS = 200;
/** Stands for the domain's number in the file's name. */
const DOMAIN = '{domid}';

export class FrontMetrics implements FrontObserver {
  readonly #places: MetricsPlaces;
  readonly #hooks: MetricsHooks;
  readonly #meter: MigrationMeter;
  #memory: Carrier | undefined;
  #failure: RamferryError | undefined;
  #opening: Promise<Metrics | undefined> | undefined;

  constructor(places: MetricsPlaces, { domid, saving }: EmuRequest, hooks: MetricsHooks) {
    // The text comes from another program, and goes into a path.
    const number = domid !== undefined && /^\d+$/.test(domid) ? domid : 'unknown';
    this.#places = { ...places, file: places.file?.replaceAll(DOMAIN, number) };
    this.#hooks = hooks;
    this.#meter = new MigrationMeter(`domid-${number}`, saving ? 'source' : 'destination');
  }

  /** Loads the library and begins. Called when the engine is loaded: xenguest does not wait for metrics. */
  open(): Promise<Metrics | undefined> {
    this.#opening ??= Metrics.open(
      this.#places,
      () => [this.#sample()],
      this.#hooks,
      this.#meter.labels,
    ).catch((thrown: unknown) => {
      this.#hooks.onWarning(`no metrics: ${toRamferryError(thrown).describe()}`);
      return undefined;
    });
    return this.#opening;
  }

  follow(memory: Carrier): void {
    this.#memory = memory;
  }

  failed(error: RamferryError): void {
    this.#failure ??= error;
  }

  async end(status: number): Promise<void> {
    const metrics = await withDeadline(this.open(), LAST_TEXT_MS, () => undefined);
    const { statistics } = this.#memory ?? {};
    // With a status alone the real emu-manager has failed by itself.
    if (this.#failure !== undefined) this.#meter.end(this.#failure);
    else if (status !== EXIT.success || statistics === undefined) this.#meter.end({ code: `exit ${status}` });
    else this.#meter.end(statistics.summary('completed'));
    this.#memory = undefined;
    await metrics?.close(LAST_TEXT_MS);
  }

  #sample(): MigrationSample {
    if (this.#memory !== undefined) this.#meter.progress(this.#memory.statistics.progress());
    return this.#meter.sample();
  }
}

/**
 * Checks for the installation what a front can only warn of.
 * @throws RamferryError ERR_OUTPUT_OPEN, ERR_OPTION_INVALID
 */
export async function checkPlaces({ file, listen }: MetricsPlaces): Promise<void> {
  if (listen !== undefined) (await import('./metrics-server.js')).placeOf(listen);
  if (file === undefined) return;
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (thrown) {
    throw toRamferryError(thrown, 'ERR_OUTPUT_OPEN', 'the file of --metrics cannot be written');
  }
}
