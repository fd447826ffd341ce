// The report's page: a file's name cannot become markup, and a real browser draws all charts without console output. Tests
// with a browser are skipped where chromium is missing.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { linkMark, type ReportData, secondsChart, verifiedChart } from '../../src/report/html/data.js';
import { embed, reportPage } from '../../src/report/html/page.js';
import type { VerifiedRun } from '../../src/tune/advice/verification.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-html-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const EVIL = `</script><script>document.title='owned'</script><img src=x onerror="document.title='owned'">'"&.ram`;

function run(role: VerifiedRun['role'], level: number, measured: number): VerifiedRun {
  const threads = { compress: 1, decompress: 1 };
  const settings = { codec: 'zstd' as const, level, chunkSize: 1024 * 1024, threads };
  return { role, settings, predicted: 2.25, measured, runs: [measured] };
}

const DATA: ReportData = {
  title: `tune: ${EVIL}`,
  summary: [EVIL],
  commands: [EVIL],
  charts: [
    {
      id: 'crossover',
      title: EVIL,
      text: EVIL,
      type: 'lines',
      x: { title: 'bandwidth', log: true },
      y: { title: 'MB/s', log: true },
      series: [
        {
          label: 'best',
          kind: 'best',
          points: [
            { x: 1e7, y: 1 },
            { x: 1e11, y: 100 },
          ],
        },
        {
          label: EVIL,
          kind: 'predicted',
          points: [
            { x: 1e7, y: 1 },
            { x: 1e11, y: 90 },
          ],
        },
        { label: 'measured', kind: 'measured', points: [{ x: 1e9, y: 10 }] },
        linkMark([{ label: '', kind: 'best', points: [{ x: 1e7, y: 1 }] }], 1e9),
      ],
    },
    {
      id: 'ratio',
      title: 'Ratio',
      text: '',
      type: 'scatter',
      x: { title: 'speed', log: true },
      y: { title: 'ratio' },
      series: [{ label: 'zstd', kind: 'measured', points: [{ x: 100, y: 2 }] }],
    },
    {
      id: 'memory',
      title: 'Memory',
      text: '',
      type: 'bars',
      x: { title: '%' },
      y: { title: '' },
      bars: {
        labels: ['zero', EVIL],
        series: [
          { label: 'a', values: [1, 2] },
          { label: 'b', values: [2, 1] },
        ],
      },
    },
    verifiedChart({
      placement: { kind: 'shared', cpus: 2, why: EVIL },
      bytes: 1e9,
      took: 20_000,
      runs: [run('recommended', 1, 2.5), run('neighbour', 3, 3.25)],
    }),
  ],
  tables: [{ title: EVIL, columns: [EVIL], rows: [[EVIL, 3]], note: EVIL }],
  about: EVIL,
};

describe('reportPage', () => {
  it('escapes markup in data and requests nothing from the network', () => {
    const page = reportPage(DATA);
    assert.ok(!page.includes('<img'));
    assert.ok(!page.includes('<script>document.title'));
    assert.equal(page.match(/<\/script>/g)?.length, 3);
    assert.ok(!/(?:src|href)\s*=\s*["']?https?:/i.test(page));
    assert.ok(!page.includes('sourceMappingURL'));
    assert.match(page, /default-src 'none'/);
  });

  it('embeds data as JSON without a tag', () => {
    const text = embed({ name: EVIL, line: '\u2028' });
    assert.ok(!text.includes('<'));
    assert.deepEqual(JSON.parse(text), { name: EVIL, line: '\u2028' });
  });

  it('writes the figures of a column with the same decimals', () => {
    const rows = [
      ['a', 1.43, 3],
      ['b', 2.2, 'n/a'],
      ['c', 1, 10],
    ];
    const page = reportPage({ ...DATA, tables: [{ title: '', columns: ['', 'ratio', 'runs'], rows }] });
    const figures = [...page.matchAll(/<td class="number">([^<]*)/g)].map(([, figure]) => figure);
    assert.deepEqual(figures, ['1.43', '3', '2.20', '1.00', '10']);
  });

  const browser = spawnSync('chromium', ['--version']).status === 0;
  it(
    'draws all charts in a browser without a console message',
    { skip: browser ? false : 'chromium is not installed' },
    async () => {
      const file = join(directory, 'report.html');
      fs.writeFileSync(file, reportPage(DATA));
      const { dom, log } = await load(file);
      assert.match(dom, /data-drawn="4"/);
      assert.match(dom, /<title>tune: &lt;\/script/);
      assert.equal(dom.match(/<canvas[^>]*style="[^"]*width: [1-9]/g)?.length, 4, 'charts have a size');
      assert.doesNotMatch(log, /CONSOLE|Uncaught|Refused/);
    },
  );

  it('shows values under the mouse', { skip: browser ? false : 'chromium is not installed' }, async () => {
    const file = join(directory, 'hover.html');
    fs.writeFileSync(file, reportPage(DATA).replace('</body>', `<script>${HOVER}</script></body>`));
    const { dom, log } = await load(file);
    const [, said = ''] = /data-hover="([^"]*)"/.exec(dom) ?? [];
    const [crossover, ratio, memory, verified] = said.split(' | ');
    assert.match(crossover!, /best: 1|measured: 10/);
    assert.match(ratio!, /zstd: 2 : 1 at 100 MB\/s/);
    assert.match(memory!, /b: 2/);
    assert.match(verified!, /measured: 2.5 s/);
    assert.doesNotMatch(log, /CONSOLE/);
  });

  it('marks the link over the whole height of the lines', () => {
    const points = [
      { x: 1e7, y: 3 },
      { x: 1e9, y: 90 },
      { x: 1e11, y: 40 },
    ];
    const mark = linkMark([{ label: 'zstd 1', kind: 'predicted', points }], 1e9);
    assert.equal(mark.label, 'this link: 1 Gbit/s');
    assert.deepEqual(mark.points, [
      { x: 1e9, y: 3 },
      { x: 1e9, y: 90 },
    ]);
  });

  it('shows seconds over threads down to the time of the link', () => {
    const host = {
      cpus: 2,
      main: { perWireByte: 0, perChunk: 0, perGuestByte: 0 },
      scaling: [
        { threads: 1, speedup: 1 },
        { threads: 2, speedup: 2 },
      ],
    };
    const route = { sender: host, receiver: host, linkRate: 1e8, startUp: 0.5 };
    const loads = [{ weight: 1, guestBytes: 4e8, wireBytes: 1e8, chunks: 100, encode: 4, decode: 0.4 }];
    const settings = { codec: 'zstd' as const, level: 1, chunkSize: 1 << 20 };
    const recommended = { x: 4, y: 1.5 };
    const chart = secondsChart(
      [{ settings, loads }],
      route,
      recommended,
      'a link of 1 Gbit/s',
      'recommended',
    );
    const [line, point] = chart.series!;
    const seconds = line!.points.map(({ y }) => Math.round(y * 10) / 10);
    assert.deepEqual(seconds, [4.5, 2.5, 1.9, 1.5, 1.5, 1.5, 1.5, 1.5]);
    assert.deepEqual(point!.points, [recommended]);
    assert.match(chart.title, /a link of 1 Gbit\/s/);
  });

  it('names predicted and measured bars in words', () => {
    const chart = verifiedChart({
      placement: { kind: 'pinned', sender: [0], receiver: [1] },
      bytes: 1e9,
      took: 1,
      runs: [run('recommended', 1, 2.5)],
    });
    assert.deepEqual(
      chart.bars!.series.map(({ label }) => label),
      ['predicted', 'measured'],
    );
    assert.match(chart.text, /zstd 1, 1 MiB, 1\/1 \(recommended\): predicted 2\.25 s, measured 2\.50 s/);
  });
});

/** Moves the mouse over the first value of every chart, and records the tooltips' texts. */
const HOVER = `
  for (const chart of Object.values(Chart.instances)) {
    const item = chart.getDatasetMeta(chart.data.datasets.length - 1).data[0];
    const { left, top } = chart.canvas.getBoundingClientRect();
    const { x, y } = item.getCenterPoint();
    const moved = new MouseEvent('mousemove', { clientX: left + x, clientY: top + y, bubbles: true });
    chart.canvas.dispatchEvent(moved);
  }
  setTimeout(() => {
    const said = Object.values(Chart.instances).map((chart) => chart.tooltip.body.flatMap(({ lines }) => lines).join('; '));
    document.documentElement.dataset.hover = said.join(' | ');
  }, 100);
`;

/** The page after its scripts, and what the browser logged. */
async function load(file: string): Promise<{ dom: string; log: string }> {
  const child = spawn('chromium', [
    ...['--headless=new', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr', '--v=0'],
    // With this budget, the page's timers run at once.
    '--virtual-time-budget=5000',
    ...[`--user-data-dir=${join(directory, 'profile')}`, '--dump-dom', `file://${file}`],
  ]);
  let dom = '';
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (dom += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  return {
    dom,
    log: log
      .split('\n')
      .filter((line) => /CONSOLE/.test(line))
      .join('\n'),
  };
}
