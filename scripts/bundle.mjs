// Gathers the compiled program into few files, in bundle/, laid out as dist/ is: finding, reading and compiling some
// 300 modules takes Node longer than all else at the start. Takes dist/; what has machine code or starts a thread of
// its own stays in node_modules. Writes the licences of what it takes in beside it. Before that it completes dist/ with the
// script of the report's page, which no other step can make.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'bundle');
/** Programs of their own, loaded with nothing else: one file each. */
const WORKERS = ['workers/compress.js', 'workers/decompress.js', 'workers/scan.js', 'workers/shared.js'];
const PROGRAMS = [
  'src/cli/main.js',
  'src/tune/measure/engine-child.js',
  'src/hypervisor/qemu/watchdog-main.js',
];
/**
 * The front under xapi starts the real emu-manager before most of ramferry loads. So its first part is one file beside a file of
 * what both parts share, and not thirty chunks that other programs share.
 */
const FRONT = ['src/cli/early-front.js', 'src/cli/front-engine.js'];
/** Loaded from node_modules: machine code, threads with entry points of their own, a page's script, the operator's tracing. */
const EXTERNAL = [
  '@opentelemetry/api',
  'zstd-napi',
  '@mongodb-js/zstd',
  'lz4-napi',
  'koffi',
  '@node-rs/xxhash',
  'piscina',
  'pino',
  'chart.js',
];
/** Modules of the older kind that were taken in ask for Node's own by `require`. */
const BANNER = `import { createRequire as ramferryRequire } from 'node:module'; const require = ramferryRequire(import.meta.url);`;

const COMMON = {
  absWorkingDir: join(ROOT, 'dist'),
  outbase: join(ROOT, 'dist'),
  outdir: OUT,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  external: EXTERNAL,
  banner: { js: BANNER },
  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
};

const SPLIT = { splitting: true, chunkNames: 'src/chunks/[name]-[hash]' };

/** The script of the report's page: for a browser, and text in both trees, since the page takes it in whole. */
const PAGE_SCRIPT = join(ROOT, 'src/report/html/script/draw.ts');
const PAGE_SCRIPT_MODULE = join(ROOT, 'dist/src/report/html/draw-script.js');

async function writePageScript() {
  const { outputFiles } = await build({
    entryPoints: [PAGE_SCRIPT],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    target: 'es2020',
    tsconfigRaw: {},
    write: false,
    logLevel: 'warning',
  });
  // Inside a script element nothing may look like its end.
  const text = outputFiles[0].text.replace(/<\/script/gi, '<\\/script');
  writeFileSync(PAGE_SCRIPT_MODULE, `export const DRAW = ${JSON.stringify(text)};\n`);
}

/** The folders of the packages that were taken in. */
function packages(metafiles) {
  const found = new Set();
  for (const { inputs } of metafiles) {
    for (const input of Object.keys(inputs)) {
      const path = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
      if (path !== undefined) found.add(join(ROOT, 'dist', path));
    }
  }
  return [...found].sort();
}

function licence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), 'utf8').trim();
  return `${name} ${version}\n\n${text}\n`;
}

if (!existsSync(join(ROOT, 'dist/src/cli/main.js'))) throw new Error('nothing compiled yet: npm run build');
await writePageScript();
// In place and not afresh: a program that is running may load a file of it at any time.
const results = [
  await build({ ...COMMON, entryPoints: WORKERS }),
  // The same depth as every file of dist/src/ROOM/, so that paths beside it hold.
  await build({ ...COMMON, ...SPLIT, entryPoints: FRONT }),
  await build({ ...COMMON, ...SPLIT, entryPoints: PROGRAMS, external: [...EXTERNAL, './early-front.js'] }),
];
const written = new Set(
  results.flatMap(({ metafile }) => Object.keys(metafile.outputs).map((path) => join(ROOT, 'dist', path))),
);
for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !written.has(path)) rmSync(path);
}
const licences = packages(results.map(({ metafile }) => metafile)).map(licence);
writeFileSync(
  join(OUT, 'LICENSES.txt'),
  `bundle/ contains these packages.\n\n${licences.join(`\n${'-'.repeat(78)}\n\n`)}`,
);
