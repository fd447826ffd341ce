// The interface of a benchmark suite, and its context: an image of guest RAM, a directory for files, a function for
// results. Suites measure and report; they promise nothing about the figures and assert no time.

export interface Suite {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Parts of the suite that --case can select. */
  readonly cases?: readonly string[];
  run(context: BenchContext): Promise<void>;
}

export interface BenchContext {
  /** A regular file of guest RAM. */
  readonly image: string;
  /** Directory for the suite's files, in memory if the system has /dev/shm; removed at the end. */
  readonly scratch: string;
  /** Bytes of input, for suites with an input of any length; undefined = the suite's default. */
  readonly size?: number | undefined;
  /** Whether a case is selected. Without --case, all are. */
  readonly wants: (name: string) => boolean;
  /** Called with each result as soon as it is known. */
  readonly report: (table: Table) => void;
}

export type Cell = string | number;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Explanation of the figures. */
  readonly note?: string;
}

/** Rounds to `decimals`, as a number, which keeps tables aligned and JSON short. */
export function round(value: number, decimals = 0): number {
  return Number(value.toFixed(decimals));
}
