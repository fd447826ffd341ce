// Gathers the compiled program into few files, in bundle/: finding, reading and compiling some 300 modules takes Node longer than all
// else at the start. Takes dist/; what has machine code stays in node_modules. Writes the licences of what it takes in beside it. Before
// that it completes dist/ with the script of the report's page, which no other step can make.
//
// Every program is one file, so that a start opens as few files as possible; modules behind an import() run at that import. The files are
// CommonJS: its loader starts faster than that of ECMAScript modules, and loads packages and Node's own modules when they are first used.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { build } from 'esbuild';

import { EXTERNAL } from './bundle-externals.mjs';

const ROOT = join(import.meta.dirname, '..');
const OUT = join(ROOT, 'bundle');
/** The programs: a file of bundle/, and the module of dist/ that it begins with. */
const PROGRAMS = {
  'src/cli/main.js': 'src/cli/main.js',
  'src/cli/send.js': 'src/cli/direct/send.js',
  'src/cli/receive.js': 'src/cli/direct/receive.js',
  'src/cli/early-front.js': 'src/cli/early-front.js',
  'src/cli/program.js': 'src/cli/program.js',
  'src/tune/measure/engine-child.js': 'src/tune/measure/engine-child.js',
  'src/serve/shards/shard-main.js': 'src/serve/shards/shard-main.js',
  'src/hypervisor/qemu/watchdog-main.js': 'src/hypervisor/qemu/watchdog-main.js',
  'workers/compress.js': 'workers/compress.js',
  'workers/decompress.js': 'workers/decompress.js',
  'workers/scan.js': 'workers/scan.js',
  'workers/shared.js': 'workers/shared.js',
  'workers/thread.js': '../node_modules/piscina/dist/worker.js',
};
/** What main.js loads: the program that the first argument names. */
const LOADED_BY_MAIN = {
  './direct/send.js': './send.js',
  './direct/receive.js': './receive.js',
  './early-front.js': './early-front.js',
  './program.js': './program.js',
};
/** The same programs as files of bundle/. */
const LOADED = new Set(Object.values(LOADED_BY_MAIN).map((path) => join('src/cli', path)));

/** Keeps the programs that main.js loads in files of their own, and loads them with the code that V8 has kept of them. */
const apart = {
  name: 'programs of main.js',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\// }, ({ path, importer }) => {
      const file = importer === join(ROOT, 'dist/src/cli/main.js') ? LOADED_BY_MAIN[path] : undefined;
      return file === undefined ? undefined : { path: file, namespace: 'program' };
    });
    onLoad({ filter: /.*/, namespace: 'program' }, ({ path }) => ({
      contents: `const { loadProgram } = require('./cache/code-cache.js');
        module.exports = loadProgram(require('node:path').join(__dirname, '${path}'), require);`,
      resolveDir: join(ROOT, 'dist/src/cli'),
    }));
  },
};

/** What a program begins with. A hash of its text follows: src/cli/cache/code-cache.ts keeps compiled code under it. */
const NO_HASH = `/*${'-'.repeat(16)}*/`;

/** Writes its hash into a program, whose length stays as it is. */
function writeHash(text) {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return text.replace(NO_HASH, `/*${hash}*/`);
}

/**
 * esbuild's helper for modules that are not bundled copies all their properties, in each module that imports them: 5 ms of a start for
 * node:fs alone. A prototype does the same.
 */
const COPYING = anyLines(
  '__toESM=(mod,isNodeMode,target)=>(target=mod!=null?__create(__getProtoOf(mod)):{},__copyProps(' +
    'isNodeMode||!mod||!mod.__esModule?__defProp(target,"default",{value:mod,enumerable:!0}):target,mod))',
);
const INHERITING =
  '__toESM=(mod,isNodeMode)=>isNodeMode||!mod.__esModule?__create(mod,{default:{value:mod,enumerable:!0}}):mod';

/** Matches the text wherever esbuild has broken its lines. */
function anyLines(text) {
  const words = text.match(/\w+|[^\w]/g).map((word) => word.replace(/\W/g, '\\$&'));
  return new RegExp(words.join('\\s*'));
}

/** Changes what esbuild has written, line by line, so that the source map holds. */
function finish({ path, text }) {
  // The program is read as latin1.
  if (Buffer.byteLength(text) !== text.length) throw new Error(`${path} has a character that is not ASCII`);
  if (/__toESM\s*=/.test(text) && !COPYING.test(text))
    throw new Error(`${path} loads modules in another way`);
  const lines = (found) => '\n'.repeat(found.split('\n').length - 1);
  return writeHash(text.replace(COPYING, (found) => INHERITING + lines(found)));
}

/** In place and not afresh: a program that is running may load a file of it at any time. */
function write({ path, text }) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, path.endsWith('.js') ? finish({ path, text }) : text);
  if (text.startsWith('#!')) chmodSync(path, 0o755);
}

/** piscina starts its threads with a file beside its own: here that is workers/thread.js. */
const threads = {
  name: 'threads of piscina',
  setup({ onLoad }) {
    onLoad({ filter: /piscina\/dist\/index\.js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const own = "(0, node_path_1.resolve)(__dirname, 'worker.js')";
      if (!text.includes(own)) throw new Error(`${path} starts its threads in another way`);
      return {
        contents: text.replace(
          own,
          "require('node:url').fileURLToPath(new URL('../../workers/thread.js', ramferryUrl))",
        ),
      };
    });
  },
};

const common = {
  absWorkingDir: join(ROOT, 'dist'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // An import() of a CommonJS file would start the loader of ECMAScript modules.
  supported: { 'dynamic-import': false },
  external: EXTERNAL,
  // Its wrapper for ECMAScript modules has no use here.
  alias: { piscina: join(ROOT, 'node_modules/piscina/dist/index.js') },
  plugins: [apart, threads],
  define: { 'import.meta.url': 'ramferryUrl' },
  // Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  write: false,
  logLevel: 'warning',
};

/** Builds one program. Its modules take themselves to be two folders deep, as src/os/entries.ts is in dist/. */
function buildProgram([output, entry]) {
  const place = relative(dirname(output), 'src/os/entries.js');
  return build({
    ...common,
    entryPoints: [entry],
    outfile: join(OUT, output),
    banner: {
      js: `${LOADED.has(output) ? NO_HASH : ''}const ramferryUrl=require('node:url').pathToFileURL(require('node:path').join(__dirname,${JSON.stringify(place)})).href;`,
    },
  });
}

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
mkdirSync(OUT, { recursive: true });
writeFileSync(join(OUT, 'package.json'), '{ "type": "commonjs" }\n');
const results = await Promise.all(Object.entries(PROGRAMS).map(buildProgram));
for (const { outputFiles } of results) outputFiles.forEach(write);
const written = new Set([
  join(OUT, 'package.json'),
  ...results.flatMap(({ metafile }) => Object.keys(metafile.outputs).map((path) => join(ROOT, 'dist', path))),
]);
for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !written.has(path)) rmSync(path);
}
const licences = packages(results.map(({ metafile }) => metafile)).map(licence);
writeFileSync(
  join(OUT, 'LICENSES.txt'),
  `bundle/ contains these packages.\n\n${licences.join(`\n${'-'.repeat(78)}\n\n`)}`,
);
