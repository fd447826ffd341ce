#!/usr/bin/env node
// Copies the packages that the bundled program loads from node_modules, with all that they need and without sources: what
// scripts/package ships. Takes the directory in which node_modules is made.

import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { EXTERNAL } from './bundle-externals.mjs';

const ROOT = join(import.meta.dirname, '..');
const [target] = process.argv.slice(2);
/** Build inputs, documentation, typings, and packages' own tests. A folder `src` below the first is compiled code. */
const LEFT_OUT =
  /^\/src$|\/(deps|doc|docs|test|tests|example|examples|benchmark|musl_[^/]+|build\/Release\/obj(\.target)?|vendor|types|bench)$|\.(d\.[cm]?ts|map|md|gyp|gypi|sh|mk|o|a|d|html|cc|h|jst)$|\/(Makefile|bin\.js|cnoke\.cjs)$|\/\.[^/]+$/i;
/** Packages of other C libraries, and those that only build. */
const NOT_NEEDED = /musl|^(prebuild-install|node-addon-api|@types\/.*)$/;

const seen = new Set();

function copy(name) {
  const from = join(ROOT, 'node_modules', name);
  if (seen.has(name) || NOT_NEEDED.test(name) || !existsSync(from)) return;
  seen.add(name);
  const licence = /\/licen[cs]e(\.md|\.txt)?$/i;
  cpSync(from, join(target, 'node_modules', name), {
    recursive: true,
    dereference: true,
    filter: (path) => licence.test(path) || !LEFT_OUT.test(path.slice(from.length)),
  });
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    readFileSync(join(from, 'package.json'), 'utf8'),
  );
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) copy(each);
}

// The pool's threads are started by their file in its package.
for (const name of [...EXTERNAL, 'piscina']) copy(name);
