// The charts of the report's page as plain data. The report makes them, the page's script (script/draw.ts) reads them.
// The script runs in a browser, so this file imports nothing.

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Label in the tooltip, instead of the series' label. */
  readonly label?: string;
}

export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
  /** `measured` lines are solid, `predicted` ones broken; `best` is the envelope, `mark` a vertical line. */
  readonly kind: 'measured' | 'predicted' | 'best' | 'mark';
}

export interface Bars {
  readonly labels: readonly string[];
  readonly series: readonly { readonly label: string; readonly values: readonly number[] }[];
  /** Unit behind the values in the tooltip. */
  readonly unit?: string;
}

export interface Axis {
  readonly title: string;
  readonly log?: boolean;
  /** Where a linear axis begins. Default 0. */
  readonly min?: number;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  /** Description of the chart for screen readers. */
  readonly text: string;
  readonly type: 'lines' | 'scatter' | 'bars';
  readonly x: Axis;
  readonly y: Axis;
  readonly series?: readonly Series[];
  readonly bars?: Bars;
  /** Unit behind the values in the tooltip. */
  readonly unit?: string;
}
