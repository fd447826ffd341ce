// The choice of a binding, a forced binding, reports of missing ones, and no module loaded too early.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { describeLoadError } from '../../src/codec/binding.js';
import { CODEC_NAMES } from '../../src/codec/codec.js';
import { codecWarnings, describeBindings, listBindings, usableCodecs } from '../../src/codec/features.js';
import { bindingInfo, openCodec, openZstd } from '../../src/codec/registry.js';
import { zstdBindings } from './support.js';

describe('openCodec', () => {
  it('opens the best binding that runs here', () => {
    assert.equal(openCodec('zstd').binding, zstdBindings[0]?.[0]);
    assert.equal(openZstd().binding, zstdBindings[0]?.[0]);
    for (const name of CODEC_NAMES) assert.equal(openCodec(name).binding, bindingInfo(name).binding);
  });

  it('opens the requested binding', () => {
    for (const [binding] of zstdBindings) assert.equal(openCodec('zstd', { binding }).binding, binding);
  });

  it('does not read the environment', () => {
    process.env['RAMFERRY_ZSTD_BINDING'] = '@mongodb-js/zstd';
    try {
      assert.equal(openCodec('zstd').binding, zstdBindings[0]?.[0]);
    } finally {
      Reflect.deleteProperty(process.env, 'RAMFERRY_ZSTD_BINDING');
    }
  });

  it('refuses an unknown binding, and names the known ones', () => {
    assert.throws(() => openCodec('zstd', { binding: 'zstd-wasm' }), {
      code: 'ERR_OPTION_INVALID',
      hint: /zstd-napi, libzstd, node:zlib, @mongodb-js\/zstd/,
    });
    assert.throws(() => openCodec('lz4', { binding: 'zstd-napi' }), { code: 'ERR_OPTION_INVALID' });
  });

  it(
    'names the reason, when the requested binding is missing',
    {
      skip: 'zstd' in process.versions && 'this Node has zstd',
    },
    () => {
      assert.throws(() => openCodec('zstd', { binding: 'node:zlib' }), {
        code: 'ERR_CODEC_UNAVAILABLE',
        message: /node:zlib: Node .* has no zstd/,
      });
    },
  );
});

describe('describeBindings', () => {
  it('reports version, library and traits of each binding that runs here', () => {
    for (const info of listBindings()) {
      assert.match(info.version, /^\d+\.\d+/, info.binding);
      assert.ok(!(info.direct && info.returnsBuffers), info.binding);
      for (const size of [4096, 2 ** 20, 2 ** 24, 2 ** 26]) {
        const bytes = info.memoryPerThread(1, size);
        assert.ok(Number.isSafeInteger(bytes) && bytes >= 0 && bytes < 2 ** 30, info.binding);
      }
      if (info.codec === 'zstd') assert.match(info.library ?? '', /^1\.\d+\.\d+$/, info.binding);
    }
    assert.deepEqual(usableCodecs(), CODEC_NAMES);
  });

  it('reports every binding once, with one chosen for each codec', () => {
    const reports = describeBindings();
    for (const name of CODEC_NAMES) {
      assert.equal(reports.filter(({ chosen, info }) => chosen && info.codec === name).length, 1, name);
    }
    for (const report of reports) if (!report.usable) assert.notEqual(report.reason, '');
  });

  it('codecWarnings names the reason, when the fast zstd is missing or not used', () => {
    assert.deepEqual(codecWarnings(describeBindings().filter(({ info }) => info.codec !== 'zstd')).length, 1);
    const reports = describeBindings().map((report) => {
      if (report.info.codec === 'zstd' && report.info.direct) {
        return {
          usable: false,
          chosen: false,
          info: report.info,
          reason: 'binding.node: no such file',
        } as const;
      }
      return report.usable && report.info.codec === 'zstd' ? { ...report, chosen: true } : report;
    });
    const [warning = ''] = codecWarnings(reports);
    assert.match(warning, /slower/);
    assert.match(warning, /zstd-napi is missing: binding\.node: no such file/);
    const withSystem = describeBindings().map((report) => ({
      ...report,
      chosen: report.info.binding === 'libzstd',
    }));
    assert.deepEqual(
      codecWarnings(withSystem as typeof reports).filter((each) => each.startsWith('zstd')),
      [],
    );
    assert.match(codecWarnings(describeBindings('@mongodb-js/zstd')).join(), /@mongodb-js\/zstd.*4 threads/);
  });

  it('keeps paths of the machine out of load errors', () => {
    const said = [
      [
        "Cannot find module 'zstd-napi/binding'\nRequire stack:\n- /srv/app/x.js",
        "Cannot find module 'zstd-napi/binding'",
      ],
      ["Cannot find module '/srv/my app/build/binding.node'", "Cannot find module 'binding.node'"],
      ['/srv/app/binding.node: invalid ELF header', 'binding.node: invalid ELF header'],
      ["The module '/srv/a/b.node'\nwas compiled against", "The module 'b.node' was compiled against"],
      ['see https://github.com/npm/cli/issues/4828', 'see https://github.com/npm/cli/issues/4828'],
    ] as const;
    for (const [raw, shown] of said) assert.equal(describeLoadError(new Error(raw)), shown);
  });
});

describe('loading of native modules', () => {
  it('loads none before a codec is opened, and then only its own', () => {
    const registry = new URL('../../src/codec/registry.js', import.meta.url).href;
    const program = `
      const { openCodec } = await import(${JSON.stringify(registry)});
      const native = () => process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node')).length;
      const before = native();
      openCodec('lz4');
      console.log(before, native());`;
    const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    assert.equal(ran.stdout.trim(), '0 1', ran.stderr);
  });
});
