// What a switch is judged by later: whether link or guest have changed since. Pure.

/** What a candidate met at one moment. */
export interface Conditions {
  /** Bytes per second of the link. */
  readonly link: number;
  /** Bytes on the link and nanoseconds of a worker for a guest byte, with the candidate in use. */
  readonly wire: number;
  readonly worker: number;
}

const FIGURES = ['link', 'wire', 'worker'] as const;

/** Whether two figures differ by less than this factor. */
export function isAlike(one: number, other: number, factor: number): boolean {
  const change = one === other ? 1 : one / other;
  return change < factor && change > 1 / factor;
}

export function haveChanged(now: Conditions, then: Conditions, factor: number): boolean {
  return FIGURES.some((what) => !isAlike(now[what], then[what], factor));
}
