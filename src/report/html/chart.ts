// What the page draws: the charts' shapes as plain data. The report makes them, the page's script (script/draw.ts) reads them, so
// this file imports nothing.

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Shown under the mouse instead of the series' label. */
  readonly label?: string;
}

export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
  /** `measured` lines are whole, `predicted` ones dotted; `best` is the envelope. */
  readonly kind: 'measured' | 'predicted' | 'best';
}

export interface Bars {
  readonly labels: readonly string[];
  readonly series: readonly { readonly label: string; readonly values: readonly number[] }[];
  /** Behind values on hover. */
  readonly unit?: string;
}

export interface Axis {
  readonly title: string;
  readonly log?: boolean;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  /** What the chart shows, for readers who cannot see it. */
  readonly text: string;
  readonly type: 'lines' | 'scatter' | 'bars';
  readonly x: Axis;
  readonly y: Axis;
  readonly series?: readonly Series[];
  readonly bars?: Bars;
}
