// `History`: what earlier transfers have measured, as the starting point of the next one: what a codec costs on this host, and what the
// link to a peer last carried. Old figures weigh less and are dropped in the end. Bounded in size. Pure: time is given, nothing is stored;
// history-text.ts writes it down, and the command line keeps it in a file (src/cli/cache/history-file.ts).

import type { FirstGuess, Learned, LearnedCosts, LearnedLink } from './prior.js';

const DAY_MS = 86_400_000;
/** A link's rate is believed for so long. The controller corrects a wrong one within some tenths of a second. */
const LINK_BELIEVED_MS = 7 * DAY_MS;
/** Chunks that fresh costs are worth: the first chunks of a transfer are slower than the later ones, because code is not compiled yet. */
const FRESH_CHUNKS = 16;
/** Age at which costs are worth half as much, and age at which they are dropped. */
const COSTS_HALVE_MS = 7 * DAY_MS;
const COSTS_BELIEVED_MS = 28 * DAY_MS;
/** Figures from the future by no more than this are fresh: the clock was set back a little. Others are not believed. */
const CLOCK_SLACK_MS = 3_600_000;
/** Share of a difference that new costs bring in: one transfer may have run beside other work. */
const NEW_SHARE = 0.5;

/** Entries that are kept; the oldest ones go first. */
export const MOST_LINKS = 64;
export const MOST_CODECS = 16;

/** Figures and when they were measured, in milliseconds since 1970. */
export interface CostsEntry extends LearnedCosts {
  readonly at: number;
}
export interface LinkEntry extends LearnedLink {
  readonly at: number;
}

/** What a guess is for. */
export interface HistoryKey {
  /** Codec and binding: `zstd zstd-napi`. */
  readonly codec: string;
  /** What tells the peer from others; absent = not known. */
  readonly peer?: string | undefined;
}

/** Where figures come from and go to. Neither method fails. */
export interface CostMemory {
  guess(key: HistoryKey): FirstGuess;
  record(key: HistoryKey, learned: Learned): void;
}

/**
 * A text as a name of 16 hexadecimal digits, without what the text may contain: the address of a command may have passwords in it.
 * node:crypto loads here: it takes 7 ms of a start, and only adaptive mode has a history.
 */
export function digestName(text: string): string {
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

export class History implements CostMemory {
  readonly costs: Map<string, CostsEntry>;
  readonly links: Map<string, LinkEntry>;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(
    now: () => number = Date.now,
    costs: Iterable<readonly [string, CostsEntry]> = [],
    links: Iterable<readonly [string, LinkEntry]> = [],
  ) {
    this.#now = now;
    this.costs = new Map(costs);
    this.links = new Map(links);
  }

  guess({ codec, peer }: HistoryKey): FirstGuess {
    const costs = this.#believed(this.costs.get(codec), COSTS_BELIEVED_MS);
    const link = peer === undefined ? undefined : this.links.get(digestName(peer));
    const believed = this.#believed(link, LINK_BELIEVED_MS);
    return {
      ...(believed === undefined ? {} : { link: { rate: believed.rate, limited: believed.limited } }),
      ...(costs === undefined ? {} : { costs: { ...withoutAge(costs), chunks: this.#worth(costs) } }),
    };
  }

  record({ codec, peer }: HistoryKey, { link, costs }: Learned): void {
    const at = this.#now();
    if (costs !== undefined) {
      const before = this.#believed(this.costs.get(codec), COSTS_BELIEVED_MS);
      keep(
        this.costs,
        codec,
        { ...(before === undefined ? costs : between(before, costs)), at },
        MOST_CODECS,
      );
    }
    if (link !== undefined && peer !== undefined) {
      keep(this.links, digestName(peer), { ...link, at }, MOST_LINKS);
    }
  }

  /** Milliseconds; Infinity for figures that cannot be believed because they come from the future. */
  #age({ at }: { readonly at: number }): number {
    const age = this.#now() - at;
    return age < -CLOCK_SLACK_MS ? Infinity : Math.max(0, age);
  }

  #believed<Entry extends { readonly at: number }>(
    entry: Entry | undefined,
    most: number,
  ): Entry | undefined {
    return entry !== undefined && this.#age(entry) <= most ? entry : undefined;
  }

  #worth(entry: CostsEntry): number {
    return FRESH_CHUNKS * 0.5 ** (this.#age(entry) / COSTS_HALVE_MS);
  }
}

function withoutAge(entry: LearnedCosts): LearnedCosts {
  const { codecNs, size, aroundNs, mainNsPerChunk, mainNsPerByte } = entry;
  return { codecNs, size, aroundNs, mainNsPerChunk, mainNsPerByte };
}

/** The geometric mean, because a figure may be off by a factor. */
function between(before: LearnedCosts, seen: LearnedCosts): LearnedCosts {
  const mean = (name: keyof LearnedCosts): number => before[name] * (seen[name] / before[name]) ** NEW_SHARE;
  return {
    codecNs: mean('codecNs'),
    size: mean('size'),
    aroundNs: mean('aroundNs'),
    mainNsPerChunk: mean('mainNsPerChunk'),
    mainNsPerByte: mean('mainNsPerByte'),
  };
}

function keep<Entry extends { readonly at: number }>(
  entries: Map<string, Entry>,
  name: string,
  entry: Entry,
  most: number,
): void {
  entries.set(name, entry);
  while (entries.size > most) {
    const [oldest] = [...entries].filter(([other]) => other !== name).sort(([, a], [, b]) => a.at - b.at);
    entries.delete(oldest![0]);
  }
}
