// Summaries and progress as text for people: words, units, and the bounds of bars.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PassThrough } from 'node:stream';
import type { Progress, TransferSummary } from '../../src/transfer/statistics/summary.js';
import { errorLine, listeningLine, statusLine, summaryLine, warningLine } from '../../src/report/json.js';
import { formatProgress } from '../../src/report/progress.js';
import { ProgressBar } from '../../src/report/progress-bar.js';
import { formatOutcome, formatSummary, summaryRows } from '../../src/report/summary.js';
import { sideBySide } from '../../src/report/table.js';

const plain: TransferSummary = {
  status: 'completed',
  totalTime: 3333,
  setupTime: 12,
  ram: {
    transferred: 372_260_864,
    remaining: 0,
    total: 1_073_741_824,
    duplicate: 170_000,
    skipped: 3,
    normal: 92_141,
    normalBytes: 377_409_536,
    mbps: 896.4,
    pagesPerSecond: 78_000,
    pageSize: 4096,
  },
  pages: { zero: 170_000, duplicate: 3, same: 0, delta: 0, literal: 92_141 },
  chunks: { total: 1024, stored: 1024, codecs: { none: { chunks: 1024, decoded: 1, encoded: 1 } } },
  cpuSeconds: 1.234,
  peakMemory: 104_857_600,
};
const compressed: TransferSummary = {
  ...plain,
  totalTime: 1833,
  downtime: 27,
  compression: {
    pages: 92_141,
    busy: 2,
    busyRate: 0.002,
    compressedSize: 110_000_000,
    compressionRate: 6.7,
  },
};
const progress: Progress = {
  elapsed: 500,
  guestBytes: 268_435_456,
  linkBytes: 40_000_000,
  totalBytes: 536_870_912,
  guestRate: 790_000_000,
  linkRate: 118_000_000,
  ratio: 6.711,
  remainingTime: 340,
};

describe('formatSummary', () => {
  it('uses the words of info migrate', () => {
    const text = formatSummary(plain);
    assert.ok(
      text.startsWith('Migration status: completed\ntotal time: 3333 ms\ndowntime: n/a\nsetup: 12 ms\n'),
    );
    for (const line of [
      'transferred ram: 363536 kbytes',
      'throughput: 896.40 mbps',
      'total ram: 1048576 kbytes',
      'duplicate: 170000 pages',
      'normal bytes: 368564 kbytes',
      'cpu time: 1.23 s',
    ]) {
      assert.ok(text.split('\n').includes(line), `no line "${line}" in\n${text}`);
    }
    assert.ok(!text.includes('compression'));
  });

  it('shows how many pages were recognised, why not all, and what would help', () => {
    const pages = { ...plain.pages, identified: 30, anonymous: 10 };
    const text = formatSummary({ ...plain, pages, opaqueBecause: 'a reason', opaqueHint: 'turn it off' });
    assert.match(
      text,
      /^identified: 30 of 40 pages \(75\.0 %\)\nopaque because: a reason\nhint: turn it off$/m,
    );
    assert.doesNotMatch(formatSummary(plain), /identified|opaque|hint/);
  });

  it('shows fewer than 1024 bytes as bytes', () => {
    assert.match(
      formatSummary({ ...plain, ram: { ...plain.ram, transferred: 300 } }),
      /^transferred ram: 300 bytes$/m,
    );
  });

  it('stands in columns with n/a for absent figures, without colours', () => {
    const table = sideBySide([
      { title: 'without', rows: summaryRows(plain) },
      { title: 'with', rows: summaryRows(compressed) },
    ]);
    assert.match(table, /│\s+without │\s+with │/);
    assert.match(table, /total time\s+│\s+3333 ms │\s+1833 ms │/);
    assert.match(table, /downtime\s+│\s+n\/a │\s+27 ms │/);
    assert.match(table, /compression rate\s+│\s+n\/a │\s+6\.70 │/);
    assert.ok(!table.includes('\u001b'));
  });
});

describe('formatOutcome', () => {
  it('is three lines of at most 80 characters', () => {
    const text = formatOutcome({ ...plain, streamEnd: 'seen', downtime: 120 });
    const lines = text.split('\n');
    assert.equal(lines.length, 3);
    assert.ok(
      lines.every((line) => line.length <= 80),
      text,
    );
    assert.match(lines[0]!, /^completed: .* in 3\.3 s, stream end seen, downtime 120 ms$/);
  });
});

describe('formatProgress', () => {
  it('is one line with the rates before and after compression, the ratio and what is left', () => {
    assert.equal(
      formatProgress(progress),
      '[============>           ]   50 %  256.0 MiB of 512.0 MiB  790.0 MB/s -> 118.0 MB/s  ratio 6.71  ETA 340 ms',
    );
  });

  it('keeps percentage and what is left, narrow terminal', () => {
    assert.equal(
      formatProgress(progress, 79),
      ' 50 %  256.0 MiB of 512.0 MiB  790.0 MB/s -> 118.0 MB/s  ratio 6.71  ETA 340 ms',
    );
    assert.equal(formatProgress(progress, 50), ' 50 %  790.0 MB/s -> 118.0 MB/s  ETA 340 ms');
    assert.equal(formatProgress(progress, 20), ' 50 %  ETA 340 ms');
  });

  it('has no bar when the total is not known', () => {
    const open = { ...progress, totalBytes: undefined, remainingTime: undefined, ratio: undefined };
    assert.equal(formatProgress(open), '256.0 MiB  790.0 MB/s -> 118.0 MB/s');
  });

  it('stops at 100 % when more arrives than announced', () => {
    assert.match(formatProgress({ ...progress, guestBytes: 10 ** 12 }), /^\[={24}\] {2}100 %/);
  });

  it('draws nothing where the stream is no terminal', () => {
    const stream = new PassThrough();
    const bar = new ProgressBar({
      write: (codes) => stream.write(codes),
      columns: () => 80,
      isTTY: false,
    });
    bar.update(formatProgress(progress));
    bar.update(formatProgress(progress));
    bar.stop();
    bar.stop();
    assert.equal(stream.read(), null);
  });
});

describe('convergence', () => {
  const rates = { dirtySyncCount: 3, dirtyPagesRate: 20_000, carriedPagesRate: 30_000 } as const;
  const live = { ...progress, totalBytes: undefined, remainingTime: undefined };

  it('appears in the progress line and its JSON: rates, expected downtime, rounds, time', () => {
    const convergence = {
      ...rates,
      ...{
        state: 'converging' as const,
        expectedDowntime: 800,
        expectedRounds: 2,
        expectedTime: 3100,
      },
    } as const;
    assert.match(
      formatProgress({ ...live, convergence }),
      /ratio 6\.71 {2}round 3 {2}dirties 81\.9 MB\/s of 122\.9 MB\/s {2}expected downtime 800 ms {2}2 more rounds, 3\.1 s$/,
    );
    const line = JSON.parse(statusLine({ ...live, convergence })) as { convergence: object };
    assert.deepEqual(line.convergence, {
      state: 'converging',
      'dirty-sync-count': 3,
      'dirty-pages-rate': 20_000,
      'carried-pages-rate': 30_000,
      'expected-downtime': 800,
      'expected-rounds': 2,
      'expected-time': 3100,
    });
  });

  it('says DOES NOT CONVERGE when the rounds diverge', () => {
    const convergence = { ...rates, state: 'diverging', expectedDowntime: 2300 } as const;
    assert.match(formatProgress({ ...live, convergence }), /expected downtime 2\.3 s {2}DOES NOT CONVERGE$/);
    const ram = { ...plain.ram, dirtySyncCount: 3, dirtyPagesRate: 20_000 };
    const text = formatSummary({ ...plain, ram, convergence: { ...rates, state: 'diverging' } });
    assert.match(text, /^dirty sync count: 3\ndirty pages rate: 20000 pages\/s\n/m);
    assert.match(text, /^converging: no: the last rounds did not get smaller$/m);
  });

  it('is left out when nothing is known', () => {
    const first = { dirtySyncCount: 1, carriedPagesRate: 30_000, state: 'unknown' } as const;
    assert.equal(formatProgress({ ...live, convergence: first }), formatProgress(live));
    const ram = { ...plain.ram, dirtySyncCount: 1 };
    assert.equal(formatSummary({ ...plain, ram, convergence: first }), formatSummary(plain));
  });
});

describe('JSON lines', () => {
  const parse = (line: string): Record<string, unknown> => {
    assert.ok(!line.includes('\n'));
    return JSON.parse(line) as Record<string, unknown>;
  };
  it('are one line of JSON each, named by message_type', () => {
    assert.deepEqual(parse(summaryLine(compressed)), {
      message_type: 'summary',
      status: 'completed',
      'total-time': 1833,
      'setup-time': 12,
      ram: {
        transferred: 372_260_864,
        remaining: 0,
        total: 1_073_741_824,
        duplicate: 170_000,
        skipped: 3,
        normal: 92_141,
        'normal-bytes': 377_409_536,
        mbps: 896.4,
        'pages-per-second': 78_000,
        'page-size': 4096,
      },
      pages: { zero: 170_000, duplicate: 3, same: 0, delta: 0, literal: 92_141 },
      chunks: { total: 1024, stored: 1024, codecs: { none: { chunks: 1024, decoded: 1, encoded: 1 } } },
      'cpu-seconds': 1.234,
      'peak-memory': 104_857_600,
      downtime: 27,
      compression: {
        pages: 92_141,
        busy: 2,
        'busy-rate': 0.002,
        'compressed-size': 110_000_000,
        'compression-rate': 6.7,
      },
    });
    assert.deepEqual(parse(statusLine({ ...progress, totalBytes: undefined, remainingTime: undefined })), {
      message_type: 'status',
      elapsed: 500,
      'guest-bytes': 268_435_456,
      'link-bytes': 40_000_000,
      'guest-rate': 790_000_000,
      'link-rate': 118_000_000,
      ratio: 6.711,
    });
    assert.deepEqual(parse(errorLine({ code: 'ERR_LINK_CLOSED', message: 'a\nb', record: 3 }, 4)), {
      message_type: 'error',
      status: 'failed',
      code: 'ERR_LINK_CLOSED',
      message: 'a\nb',
      record: 3,
      exit_code: 4,
    });
    assert.deepEqual(parse(warningLine('slow')), { message_type: 'warning', message: 'slow' });
    assert.deepEqual(parse(listeningLine('tcp:[::1]:9')), {
      message_type: 'listening',
      address: 'tcp:[::1]:9',
    });
  });
});
