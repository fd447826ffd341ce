// The files of the soak's trials: inputs made once, a fresh folder for each trial, and the judgement of its contents
// afterwards.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { writeImage } from '../../src/image/image.js';
import { scratchDirectory } from '../../lab/cleanup.js';
import { MIB } from '../../src/units.js';
import { Program } from './program.js';
import type { Destination } from './rules.js';

export interface Input {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

export type InputKind = 'image' | 'qemu' | 'libxc' | 'xl';

const BYTES = 12 * MIB;

export class Stage {
  readonly inputs: Readonly<Record<InputKind, Input>>;
  readonly #root: string;
  readonly #remove: () => void;
  #trials = 0;

  private constructor(root: string, remove: () => void, inputs: Readonly<Record<InputKind, Input>>) {
    this.#root = root;
    this.#remove = remove;
    this.inputs = inputs;
  }

  static async open(): Promise<Stage> {
    const { path, remove } = scratchDirectory();
    const image = join(path, 'guest.ram');
    await writeImage(image, { bytes: BYTES, seed: 7, profile: 'busy' });
    const [qemu, libxc, xl] = await Promise.all([
      recorded(path, 'qemu'),
      recorded(path, 'libxc-pv'),
      recorded(path, 'xl-pvh'),
    ]);
    return new Stage(path, remove, { image: told(image), qemu, libxc, xl });
  }

  /** An empty folder for one trial. */
  folder(): string {
    const path = join(this.#root, String(this.#trials++));
    mkdirSync(path);
    return path;
  }

  /** Judges the contents of a trial's folder, then removes the folder. */
  judge(folder: string, output: string, input: Input): Destination {
    const path = join(folder, output);
    const state = !existsSync(path) ? 'absent' : digest(path) === input.sha256 ? 'whole' : 'other';
    const leftovers = readdirSync(folder).filter((name) => name.startsWith('.ramferry'));
    rmSync(folder, { recursive: true, force: true });
    return { output: state, leftovers };
  }

  close(): void {
    this.#remove();
  }
}

async function recorded(folder: string, format: string): Promise<Input> {
  const path = join(folder, `guest.${format}`);
  const args = ['--size', '8MiB', '--format', format, '--rounds', '2', '--dirty-rate', '8MB', '--one-way'];
  const source = new Program(['guest', 'source', ...args, path]);
  const { status } = await source.ended;
  if (status !== 0) throw new Error(`guest source ${format} ended with ${status}: ${source.output}`);
  return told(path);
}

function told(path: string): Input {
  const contents = readFileSync(path);
  return { path, bytes: contents.length, sha256: createHash('sha256').update(contents).digest('hex') };
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
