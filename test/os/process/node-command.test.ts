// How children start Node.js, with and without a loader of their own C library.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';

import { nodeCommand } from '../../../src/os/process/node-command.js';

/** This machine's loader of the C library, if it has one. */
const loader = /^\/\S*\/ld-linux\S*/m.exec(
  fs.readFileSync('/proc/self/maps', 'utf8').replace(/^.* /gm, ''),
)?.[0];

describe('nodeCommand', () => {
  it('is the executable', () => assert.deepEqual(nodeCommand(), [process.execPath]));

  it(
    'starts Node.js through its loader again',
    { skip: loader === undefined && 'no loader of glibc' },
    () => {
      const module = new URL('../../../src/os/process/node-command.js', import.meta.url).href;
      const child = `import(${JSON.stringify(module)}).then(({ nodeCommand }) => {
      const [program, ...before] = nodeCommand();
      const script = 'console.log(process.argv0 + " " + process.execPath)';
      process.stdout.write(require('node:child_process').execFileSync(program, [...before, '-e', script]));
    });`;
      const libraries = dirname(loader!);
      const said = execFileSync(loader!, ['--library-path', libraries, process.execPath, '-e', child]);
      assert.equal(String(said), `${process.execPath} ${fs.realpathSync(loader!)}\n`);
    },
  );
});
