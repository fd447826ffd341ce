// The file of --metrics, for node_exporter's textfile collector. It is written whole beside its place and then renamed, so that a reader
// never sees a part. A file that cannot be written any more costs one warning, not the transfer.

import fs from 'node:fs/promises';
import { lstatSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { RamferryError, toRamferryError } from '../../errors.js';
import { systemText } from '../../io/system-error.js';

/** The collector runs as another user. */
const READABLE = 0o644;

export class MetricsFile {
  readonly #path: string;
  readonly #partPath: string;
  readonly #onLoss: (message: string) => void;
  #isLossReported = false;

  private constructor(path: string, onLoss: (message: string) => void) {
    this.#path = path;
    // The collector reads names that end in .prom.
    this.#partPath = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
    this.#onLoss = onLoss;
  }

  /**
   * Writes the first text.
   * @param onLoss called once when a later text cannot be written
   * @throws RamferryError ERR_OUTPUT_OPEN, ERR_OPTION_INVALID where the path is no regular file
   */
  static async open(path: string, text: string, onLoss: (message: string) => void): Promise<MetricsFile> {
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) {
      throw new RamferryError('ERR_OPTION_INVALID', `metrics: ${path} exists and is not a regular file`, {
        hint: "name a file in the directory of node_exporter's textfile collector: NAME.prom",
      });
    }
    const file = new MetricsFile(path, onLoss);
    try {
      await file.#replace(text);
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_OUTPUT_OPEN', 'the file of --metrics cannot be written');
    }
    return file;
  }

  /** Never rejects. */
  async write(text: string): Promise<void> {
    try {
      await this.#replace(text);
    } catch (thrown) {
      if (this.#isLossReported) return;
      this.#isLossReported = true;
      this.#onLoss(
        `the file of --metrics cannot be written: ${systemText(thrown)}; it keeps its last figures`,
      );
    }
  }

  async #replace(text: string): Promise<void> {
    try {
      await fs.writeFile(this.#partPath, text, { mode: READABLE });
      await fs.rename(this.#partPath, this.#path);
    } catch (thrown) {
      await fs.rm(this.#partPath, { force: true }).catch(() => undefined);
      throw thrown;
    }
  }
}
