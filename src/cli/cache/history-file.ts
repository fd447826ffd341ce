// `HistoryFile`: what earlier commands have measured, in a file of the user's cache directory. Read before a transfer in adaptive mode, and
// replaced as a whole after it. Never fails: without the file a transfer begins as if it were the first. Commands that end at the same
// time may lose each other's figures, but a reader always sees one whole file.

import fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

import {
  type CostMemory,
  digestName,
  History,
  type HistoryKey,
} from '../../transfer/adaptive/history/history.js';
import { formatHistory, LONGEST_TEXT, parseHistory } from '../../transfer/adaptive/history/history-text.js';
import type { FirstGuess, Learned } from '../../transfer/adaptive/history/prior.js';
import { optionsOf } from '../../options/table.js';
import { cacheDirectory } from './cache-directory.js';
import type { ParsedArguments } from '../command.js';
import { readEnvironment } from '../settings/environment.js';
import { replaceFile } from './replace-file.js';

/** Age in milliseconds at which a temporary file belongs to a command that was killed. */
const LEFT_BEHIND_MS = 3_600_000;

/**
 * Whether the user wants transfers to begin with what earlier ones have measured.
 * @throws RamferryError ERR_OPTION_INVALID for a variable that is neither yes nor no
 */
export function wantsHistory(parsed: ParsedArguments, environment: NodeJS.ProcessEnv): boolean {
  const option = optionsOf('send').find(({ name }) => name === 'history')!;
  return (parsed['history'] ?? readEnvironment(environment, option)) !== false;
}

export class HistoryFile implements CostMemory {
  readonly #environment: NodeJS.ProcessEnv;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  guess(key: HistoryKey): FirstGuess {
    return quietly(() => readHistory(this.#path())?.guess(key)) ?? {};
  }

  record(key: HistoryKey, learned: Learned): void {
    quietly(() => {
      const path = this.#path();
      // Read again, because other commands may have ended since this one began.
      const history = readHistory(path);
      if (path === undefined || history === undefined) return;
      history.record(key, learned);
      replace(path, formatHistory(history));
    });
  }

  /** A file for each host: several may share a home directory, and neither costs nor links are the same. */
  #path(): string | undefined {
    const directory = cacheDirectory(this.#environment);
    return directory === undefined ? undefined : join(directory, `history-${digestName(hostname())}.json`);
  }
}

/** @returns undefined for a file of a later version, which must not be replaced */
function readHistory(path: string | undefined): History | undefined {
  const text = path === undefined ? undefined : quietly(() => readStart(path));
  return text === undefined ? new History() : parseHistory(text);
}

/** No more than a history may have. Neither a link nor a device nor a pipe in its place is opened. */
function readStart(path: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (!fs.fstatSync(fd).isFile()) return '';
    const bytes = Buffer.alloc(LONGEST_TEXT + 1);
    return bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    fs.closeSync(fd);
  }
}

function replace(path: string, text: string): void {
  sweep(path);
  const { randomBytes } = process.getBuiltinModule('node:crypto');
  const temporary = `${path}.${randomBytes(8).toString('hex')}`;
  replaceFile(path, temporary, (fd) => fs.writeFileSync(fd, text));
}

/** Removes what commands have left behind that were killed while they wrote. */
function sweep(path: string): void {
  const directory = join(path, '..');
  for (const name of fs.readdirSync(directory)) {
    if (!/^history-[0-9a-f]{16}\.json\.[0-9a-f]{16}$/.test(name)) continue;
    const each = join(directory, name);
    if (Date.now() - fs.lstatSync(each).mtimeMs > LEFT_BEHIND_MS) fs.unlinkSync(each);
  }
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
