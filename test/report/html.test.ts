// The report's page: nothing that a file's name says becomes markup, and a real browser draws all charts without a word on
// its console. The browser's part is skipped where there is none.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import type { ReportData } from '../../src/report/html/data.js';
import { embed, reportPage } from '../../src/report/html/page.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-html-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const EVIL = `</script><script>document.title='owned'</script><img src=x onerror="document.title='owned'">'"&.ram`;

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
  ],
  tables: [{ title: EVIL, columns: [EVIL], rows: [[EVIL, 3]], note: EVIL }],
  about: EVIL,
};

describe("the report's page", () => {
  it('takes no markup from data, and asks for nothing', () => {
    const page = reportPage(DATA);
    assert.ok(!page.includes('<img'));
    assert.ok(!page.includes('<script>document.title'));
    assert.equal(page.match(/<\/script>/g)?.length, 3);
    assert.ok(!/(?:src|href)\s*=\s*["']?https?:/i.test(page));
    assert.ok(!page.includes('sourceMappingURL'));
    assert.match(page, /default-src 'none'/);
  });

  it('embeds data that parses to the same data', () => {
    const text = embed({ name: EVIL, line: '\u2028' });
    assert.ok(!text.includes('<'));
    assert.deepEqual(JSON.parse(text), { name: EVIL, line: '\u2028' });
  });

  const browser = spawnSync('chromium', ['--version']).status === 0;
  it(
    'is drawn by a browser without complaint',
    { skip: browser ? false : 'chromium is not installed' },
    async () => {
      const file = join(directory, 'report.html');
      fs.writeFileSync(file, reportPage(DATA));
      const { dom, log } = await load(file);
      assert.match(dom, /data-drawn="3"/);
      assert.match(dom, /<title>tune: &lt;\/script/);
      assert.equal(dom.match(/<canvas[^>]*style="[^"]*width: [1-9]/g)?.length, 3, 'charts have a size');
      assert.doesNotMatch(log, /CONSOLE|Uncaught|Refused/);
    },
  );
});

/** The page after its scripts, and what the browser logged. */
async function load(file: string): Promise<{ dom: string; log: string }> {
  const child = spawn('chromium', [
    ...['--headless=new', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr', '--v=0'],
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
