// What a benchmark suite is, and what it may use: an image of guest RAM, a directory for its files, a place for its
// results. Suites measure and report; they promise nothing about the figures and assert no time.

export interface Suite {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Parts of it that --case can pick. */
  readonly cases?: readonly string[];
  run(context: BenchContext): Promise<void>;
}

export interface BenchContext {
  /** A regular file of guest RAM. */
  readonly image: string;
  /** A directory for files that the suite makes; in memory where the system has such a place, removed at the end. */
  readonly scratch: string;
  /** Bytes of input, for suites whose input is as long as one likes; undefined = as long as the suite takes by itself. */
  readonly size?: number | undefined;
  /** Whether a case was asked for: all are when none was named. */
  readonly wants: (name: string) => boolean;
  /** Each result as soon as there is one. */
  readonly report: (table: Table) => void;
}

export type Cell = string | number;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** What the reader must know to read the figures. */
  readonly note?: string;
}

/** With so many decimals, as a number: tables stay aligned and JSON short. */
export function round(value: number, decimals = 0): number {
  return Number(value.toFixed(decimals));
}
