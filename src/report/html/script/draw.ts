// The script of the report's page: draws each chart of the page's data with Chart.js, which the page loads first.
// It runs in a browser. esbuild bundles it into one script, and tsconfig.json here checks it with the browser's types.

import type {
  Chart as ChartClass,
  ChartConfiguration,
  ChartDataset,
  PointStyle,
  TooltipItem,
} from 'chart.js';

import type { Axis, Bars, Chart as ChartData, Point, Series } from '../chart.js';

/** A global that Chart.js's own script defines. */
declare const Chart: typeof ChartClass;

/** Colours of Okabe and Ito, which colour-blind readers tell apart. In print without colours, dashes and shapes differ. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#5b5b5b', '#8c6d00'];
const SHAPES: PointStyle[] = ['circle', 'rect', 'triangle', 'rectRot', 'star', 'cross', 'crossRot', 'dash'];
const DASHES = [
  [6, 3],
  [2, 2],
  [10, 3, 2, 3],
  [12, 4],
  [1, 3],
  [8, 2, 1, 2, 1, 2],
  [4, 4],
  [14, 2],
];

type Dataset = ChartDataset<'line', Point[]>;
type Configuration = ChartConfiguration<'line' | 'scatter', Point[]>;

/** `index` counts from 0 and may exceed the list. */
function cyclic<T>(list: readonly T[], index: number): T {
  return list[index % list.length]!;
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString();
}

function bits(value: number): string {
  return value >= 1e9 ? `${short(value / 1e9)} Gbit/s` : `${short(value / 1e6)} Mbit/s`;
}

/** A bandwidth axis has labels at powers of ten; other logarithmic axes at 1, 2 and 5 times a power of ten. */
function tickLabel(value: number, log: boolean, isBandwidth: boolean): string | null {
  if (isBandwidth) return Math.abs(Math.log10(value) % 1) < 1e-9 ? bits(value) : null;
  return log && !/^[125]0*$/.test(String(Math.round(value))) ? null : short(value);
}

function scale({ title, log = false, min }: Axis, isBandwidth = false) {
  return {
    type: log ? ('logarithmic' as const) : ('linear' as const),
    title: { display: title !== '', text: title },
    ...(min === undefined ? { beginAtZero: !log } : { min }),
    ticks: {
      callback: (value: string | number) => tickLabel(Number(value), log, isBandwidth),
      ...(isBandwidth ? { autoSkip: false } : {}),
    },
  };
}

/** A vertical line without points. */
function markDataset({ label, points }: Series): Dataset {
  return {
    label,
    data: [...points],
    showLine: true,
    borderColor: '#000',
    backgroundColor: '#000',
    borderWidth: 1.5,
    pointStyle: 'line',
    pointRadius: 0,
    pointHitRadius: 0,
    order: 0,
  };
}

function dataset({ label, kind, points }: Series, index: number, scatter: boolean): Dataset {
  const best = kind === 'best';
  const measured = kind === 'measured';
  // A measured point among lines, as the recommended settings: a ring around the line's own point.
  const ring = measured && !scatter;
  const colour = best || ring ? '#000' : cyclic(COLOURS, index);
  return {
    label,
    data: [...points],
    showLine: !scatter,
    borderColor: colour,
    backgroundColor: ring ? 'transparent' : best ? 'rgba(0,0,0,0.15)' : colour,
    borderWidth: best ? 7 : 2,
    borderDash: best || measured ? [] : cyclic(DASHES, index),
    pointStyle: best ? 'line' : ring ? 'circle' : cyclic(SHAPES, index),
    pointRadius: best ? 0 : ring ? 9 : scatter ? 5 : 3,
    pointHoverRadius: ring ? 10 : 7,
    pointBorderWidth: best ? 6 : 2,
    // Points on an axis are drawn whole.
    clip: 8,
    order: best ? 9 : measured ? 1 : 5,
  };
}

/** The datasets of a chart. The envelope uses none of COLOURS. */
function datasets(series: readonly Series[], scatter: boolean, isBandwidth: boolean): Dataset[] {
  let index = 0;
  return series.map((each) => {
    if (each.kind === 'mark') return markDataset(each);
    const best = each.kind === 'best';
    const made = dataset(each, best || (each.kind === 'measured' && !scatter) ? 0 : index++, scatter);
    // The grid of bandwidths has 12 points a decade. A mark on each point would cover the line.
    if (isBandwidth && !best) made.pointRadius = ({ dataIndex }) => (dataIndex % 6 === 0 ? 4 : 0);
    return made;
  });
}

/** The tooltip's text for one point. */
function pointLabel({ unit }: ChartData, scatter: boolean, item: TooltipItem<'line' | 'scatter'>): string {
  const name = (item.raw as Point).label ?? item.dataset.label ?? '';
  const { x, y } = item.parsed as Point;
  if (scatter) return `${name}: ${short(y)} : 1 at ${short(x)} MB/s`;
  return `${name}: ${short(y)}${unit === undefined ? '' : ` ${unit}`}`;
}

function lines(chart: ChartData): Configuration {
  const isBandwidth = chart.id === 'crossover';
  const scatter = chart.type === 'scatter';
  const marks = new Set((chart.series ?? []).filter(({ kind }) => kind === 'mark').map(({ label }) => label));
  return {
    type: scatter ? 'scatter' : 'line',
    data: { datasets: datasets(chart.series ?? [], scatter, isBandwidth) },
    options: {
      parsing: false,
      interaction: { mode: isBandwidth ? 'index' : 'nearest', intersect: false },
      scales: { x: scale(chart.x, isBandwidth), y: scale(chart.y) },
      plugins: {
        legend: {
          position: 'bottom',
          labels: { usePointStyle: true, pointStyleWidth: 18 },
        },
        tooltip: {
          filter: (item) => !marks.has(item.dataset.label ?? ''),
          itemSort: (a, b) => (b.parsed as Point).y - (a.parsed as Point).y,
          callbacks: {
            title: ([first]) => (isBandwidth && first !== undefined ? bits((first.parsed as Point).x) : ''),
            label: (item) => pointLabel(chart, scatter, item),
          },
        },
      },
    },
  };
}

/** A hatched fill, which differs from a plain one in print without colours. */
function hatch(colour: string): CanvasPattern {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const pen = tile.getContext('2d')!;
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const [fromX, fromY, toX, toY] of [
    [0, 8, 8, 0],
    [-2, 2, 2, -2],
    [6, 10, 10, 6],
  ] as const) {
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
  }
  pen.stroke();
  return pen.createPattern(tile, 'repeat')!;
}

function barConfiguration({ x }: ChartData, { labels, series, unit }: Bars): ChartConfiguration<'bar'> {
  return {
    type: 'bar',
    data: {
      labels: [...labels],
      datasets: series.map(({ label, values }, index) => ({
        label,
        data: [...values],
        borderColor: COLOURS[index],
        borderWidth: 1.5,
        backgroundColor: index === 0 ? COLOURS[0] : hatch(COLOURS[index]!),
      })),
    },
    options: {
      indexAxis: 'y',
      scales: { x: scale(x), y: { ticks: { autoSkip: false } } },
      plugins: {
        legend: { display: series.length > 1, position: 'bottom' },
        tooltip: {
          callbacks: {
            label: ({ dataset: { label }, parsed }) =>
              `${label}: ${short(parsed.x!)}${unit === undefined ? '' : ` ${unit}`}`,
          },
        },
      },
    },
  };
}

function draw(charts: readonly ChartData[]): void {
  Chart.defaults.color = '#1a1a1a';
  Chart.defaults.font.size = 13;
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  for (const chart of charts) {
    const canvas = document.getElementById(`chart-${chart.id}`) as HTMLCanvasElement;
    if (chart.bars === undefined) new Chart(canvas, lines(chart));
    else new Chart(canvas, barConfiguration(chart, chart.bars));
  }
  // Paper and window differ in width.
  const resize = (): void => {
    for (const each of Object.values(Chart.instances)) each.resize();
  };
  window.addEventListener('beforeprint', resize);
  window.addEventListener('afterprint', resize);
  document.documentElement.dataset['drawn'] = String(charts.length);
}

const embedded = document.getElementById('data')!.textContent;
draw((JSON.parse(embedded) as { readonly charts: readonly ChartData[] }).charts);
