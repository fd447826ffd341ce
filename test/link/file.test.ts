// Files as links: reads, the moment at which an output gets its name, and the files that are left behind.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it, mock } from 'node:test';
import { RamferryError } from '../../src/errors.js';
import { readExactlyAt, writeExactlyAt } from '../../src/io/file/positioned.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import { checkNotSameFile } from '../../src/link/same-file.js';
import {
  pattern,
  readAll,
  rejectsWith,
  sinkOf,
  sourceOf,
  temporaryDirectory,
  throwsWith,
} from './support.js';

const root = temporaryDirectory();
let directories = 0;
function newDirectory(): string {
  const directory = path.join(root, String(++directories));
  fs.mkdirSync(directory);
  return directory;
}

const at = (directory: string, name: string): { kind: 'file'; path: string } => ({
  kind: 'file',
  path: path.join(directory, name),
});

describe('file as input', () => {
  it('is read in order to its end, and by position', async () => {
    const directory = newDirectory();
    const sent = pattern(1_000_003);
    fs.writeFileSync(path.join(directory, 'in'), sent);
    const channel = await openInput(at(directory, 'in'));
    const source = sourceOf(channel);
    assert.equal(channel.sink, undefined);
    assert.equal(source.file?.size, sent.length);
    assert.equal(source.file.alignment, 1);
    const part = new Uint8Array(new SharedArrayBuffer(1000));
    readExactlyAt(source.file.fd, part, 999_003);
    assert.deepEqual(part, sent.slice(999_003));
    assert.ok((await readAll(source, 4097)).equals(sent));
    await source.close();
    await source.close();
    await rejectsWith(source.read(part), 'ERR_LINK_CLOSED');
  });

  it('is refused: missing, a directory, forbidden or a socket', async () => {
    const directory = newDirectory();
    await rejectsWith(openInput(at(directory, 'none')), 'ERR_INPUT_OPEN', /none: no such file/);
    await rejectsWith(openInput(parseAddress(directory)), 'ERR_INPUT_OPEN', /directory/);
    if (process.getuid?.() === 0) return; // root may read every file
    fs.writeFileSync(path.join(directory, 'closed'), '', { mode: 0 });
    await rejectsWith(openInput(at(directory, 'closed')), 'ERR_INPUT_OPEN', /permission denied/);
  });

  it('fails when it shrinks, and ends at its size when opened', async () => {
    const directory = newDirectory();
    const file = path.join(directory, 'in');
    fs.writeFileSync(file, 'x'.repeat(1000));
    const shrinking = await openInput(parseAddress(file));
    fs.truncateSync(file, 400);
    const target = new Uint8Array(1000);
    assert.equal(await sourceOf(shrinking).read(target), 400);
    await rejectsWith(sourceOf(shrinking).read(target), 'ERR_INPUT_CHANGED', /600 bytes/);
    await sourceOf(shrinking).close();
    const growing = await openInput(parseAddress(file));
    fs.appendFileSync(file, 'more');
    assert.equal((await readAll(sourceOf(growing))).length, 400);
    await sourceOf(growing).close();
  });

  it('is read to its end, /proc file of size 0', async () => {
    const channel = await openInput(parseAddress('/proc/self/status'));
    assert.equal(sourceOf(channel).file, undefined);
    assert.match((await readAll(sourceOf(channel))).toString(), /^Name:/);
    await sourceOf(channel).close();
  });
});

describe('file as output', () => {
  it('gets its name only when complete, with mode 0600', async () => {
    const directory = newDirectory();
    const { sink } = await openOutput(at(directory, 'out'));
    await sink!.write(Buffer.from('abc'));
    const [temporary] = fs.readdirSync(directory);
    assert.notEqual(temporary, 'out');
    assert.equal(fs.statSync(path.join(directory, temporary!)).mode & 0o777, 0o600);
    await sink!.write(Buffer.from('def'));
    await sink!.finish();
    assert.deepEqual(fs.readdirSync(directory), ['out']);
    assert.equal(fs.readFileSync(path.join(directory, 'out'), 'utf8'), 'abcdef');
    assert.equal(fs.statSync(path.join(directory, 'out')).mode & 0o777, 0o600);
    await sink!.abort(); // An abort after finish() has no effect.
    assert.deepEqual(fs.readdirSync(directory), ['out']);
  });

  it('writes several pieces in one call, short system calls', async () => {
    const directory = newDirectory();
    const sink = sinkOf(await openOutput(at(directory, 'out')));
    const pieces = [pattern(5000), new Uint8Array(0), pattern(70_000, 2), pattern(3, 3)];
    await sink.write(pattern(10, 4));
    const real = fs.writev;
    const short = mock.method(
      fs,
      'writev',
      (
        fd: number,
        left: readonly Uint8Array[],
        position: number,
        done: (e: Error | null, n: number) => void,
      ) => {
        // Writes at most 3000 bytes of the first piece.
        real(fd, [left[0]!.subarray(0, 3000)], position, (thrown, count) => done(thrown, count));
      },
    );
    await sink.writeAll!(pieces);
    short.mock.restore();
    await sink.finish();
    const written = fs.readFileSync(path.join(directory, 'out'));
    assert.ok(written.equals(Buffer.concat([pattern(10, 4), ...pieces])));
  });

  it('leaves no file after an abort', async () => {
    const directory = newDirectory();
    const sink = sinkOf(await openOutput(at(directory, 'out')));
    await sink.write(pattern(10_000));
    const pending = sink.write(pattern(1 << 20));
    await Promise.all([rejectsWith(pending, 'ERR_LINK_CLOSED'), sink.abort(), sink.abort()]);
    assert.deepEqual(fs.readdirSync(directory), []);
    await rejectsWith(sink.write(pattern(1)), 'ERR_LINK_CLOSED');
    await rejectsWith(sink.finish(), 'ERR_LINK_CLOSED');
  });

  it('leaves no file, process exits without an abort', () => {
    const directory = newDirectory();
    const url = new URL('../../src/link/open.js', import.meta.url).href;
    const script = `
      const { openOutput } = await import('${url}');
      const { sink } = await openOutput({ kind: 'file', path: '${directory}/out' });
      await sink.write(Buffer.alloc(1000));
      process.exit(0);`;
    execFileSync(process.execPath, ['--input-type=module', '-e', script]);
    assert.deepEqual(fs.readdirSync(directory), []);
  });

  it('keeps holes and gets the given length', async () => {
    const directory = newDirectory();
    const sink = sinkOf(await openOutput(at(directory, 'out')));
    writeExactlyAt(sink.file!.fd, Buffer.from('end'), 64 << 20);
    await sink.finish(128 << 20);
    const { size, blocks } = fs.statSync(path.join(directory, 'out'));
    assert.equal(size, 128 << 20);
    assert.ok(blocks * 512 < 1 << 20, `${blocks} blocks`);
  });

  it('does not replace a file without force, at the start or at the end', async () => {
    const directory = newDirectory();
    const file = path.join(directory, 'out');
    const sink = sinkOf(await openOutput(at(directory, 'out')));
    fs.writeFileSync(file, 'theirs');
    await rejectsWith(openOutput(at(directory, 'out')), 'ERR_OUTPUT_EXISTS');
    await rejectsWith(sink.finish(), 'ERR_OUTPUT_EXISTS');
    await sink.abort();
    assert.equal(fs.readFileSync(file, 'utf8'), 'theirs');
    assert.deepEqual(fs.readdirSync(directory), ['out']);
  });

  it('does not replace a file, file system without links', async () => {
    const link = mock.method(fs, 'linkSync', () => {
      throw Object.assign(new Error('operation not permitted'), { code: 'EPERM' });
    });
    after(() => link.mock.restore());
    const directory = newDirectory();
    const first = sinkOf(await openOutput(at(directory, 'out')));
    const second = sinkOf(await openOutput(at(directory, 'out')));
    await first.write(Buffer.from('first'));
    await first.finish();
    await rejectsWith(second.finish(), 'ERR_OUTPUT_EXISTS');
    await second.abort();
    assert.equal(fs.readFileSync(path.join(directory, 'out'), 'utf8'), 'first');
    assert.deepEqual(fs.readdirSync(directory), ['out']);
    link.mock.restore();
  });

  it('replaces the target of a link with force, and keeps the old file until then', async () => {
    const directory = newDirectory();
    fs.writeFileSync(path.join(directory, 'old'), 'old');
    fs.symlinkSync('old', path.join(directory, 'link'));
    const aborted = sinkOf(await openOutput(at(directory, 'link'), { force: true }));
    await aborted.write(Buffer.from('never'));
    await aborted.abort();
    assert.equal(fs.readFileSync(path.join(directory, 'old'), 'utf8'), 'old');
    const sink = sinkOf(await openOutput(at(directory, 'link'), { force: true, sync: false }));
    await sink.write(Buffer.from('new'));
    await sink.finish();
    assert.equal(fs.readFileSync(path.join(directory, 'old'), 'utf8'), 'new');
    assert.ok(fs.lstatSync(path.join(directory, 'link')).isSymbolicLink());
  });

  it('is refused, cannot be created', async () => {
    const directory = newDirectory();
    await rejectsWith(openOutput(at(directory, 'no/such')), 'ERR_OUTPUT_OPEN', /no such file or directory/);
    await rejectsWith(openOutput(parseAddress(directory)), 'ERR_OUTPUT_OPEN', /is a directory/);
    fs.symlinkSync('nowhere', path.join(directory, 'dangling'));
    fs.symlinkSync('loop', path.join(directory, 'loop'));
    await rejectsWith(openOutput(at(directory, 'loop')), 'ERR_OUTPUT_OPEN', /too many symbolic links/);
    await rejectsWith(openOutput(at(directory, 'dangling')), 'ERR_OUTPUT_OPEN', /leads nowhere/);
  });

  it("accepts names of the file system's maximum length", async () => {
    const directory = newDirectory();
    const name = 'ä'.repeat(127);
    const sink = sinkOf(await openOutput(at(directory, name)));
    await sink.finish();
    assert.deepEqual(fs.readdirSync(directory), [name]);
  });

  it('ends with the reason of the signal', async () => {
    const directory = newDirectory();
    const stop = new AbortController();
    const sink = sinkOf(await openOutput(at(directory, 'out'), { signal: stop.signal }));
    const reason = new RamferryError('ERR_INTERRUPTED', 'enough');
    stop.abort(reason);
    await assert.rejects(sink.write(pattern(1)), (thrown) => thrown === reason);
    await assert.rejects(sink.finish(), (thrown) => thrown === reason);
    await sink.abort();
    assert.deepEqual(fs.readdirSync(directory), []);
  });

  it('fails with ERR_OUTPUT_FULL and leaves no file, full disk', async (t) => {
    const directory = newDirectory();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', directory], { stdio: 'ignore' });
    } catch {
      t.skip('a small file system cannot be mounted here');
      return;
    }
    try {
      const sink = sinkOf(await openOutput(at(directory, 'out')));
      // Larger than the free space: the system accepts a part first.
      await rejectsWith(sink.write(pattern(3 << 20)), 'ERR_OUTPUT_FULL', /no space left/);
      throwsWith(() => writeExactlyAt(sink.file!.fd, pattern(3 << 20), 0), 'ERR_OUTPUT_FULL');
      await sink.abort();
      assert.deepEqual(fs.readdirSync(directory), []);
    } finally {
      execFileSync('umount', [directory]);
    }
  });
});

describe('input and output', () => {
  it('are refused as the same file, any of its names', () => {
    const directory = newDirectory();
    const file = path.join(directory, 'a');
    fs.writeFileSync(file, 'x');
    fs.linkSync(file, path.join(directory, 'b'));
    fs.symlinkSync(file, path.join(directory, 'c'));
    fs.writeFileSync(path.join(directory, 'other'), 'x');
    const a = at(directory, 'a');
    for (const name of ['a', 'b', 'c'])
      throwsWith(() => checkNotSameFile(a, at(directory, name)), 'ERR_SAME_FILE');
    const fd = fs.openSync(file, 'a');
    throwsWith(() => checkNotSameFile(a, { kind: 'fd', fd }), 'ERR_SAME_FILE');
    throwsWith(() => checkNotSameFile({ kind: 'fd', fd }, a), 'ERR_SAME_FILE');
    fs.closeSync(fd);
    checkNotSameFile(a, at(directory, 'other'));
    checkNotSameFile(a, at(directory, 'new'));
    checkNotSameFile(at(directory, 'missing'), at(directory, 'missing'));
  });

  it('may be the same, /dev/null or one connection', () => {
    checkNotSameFile(parseAddress('/dev/null'), parseAddress('/dev/null'));
    checkNotSameFile(parseAddress('unix:/x'), parseAddress('unix:/x'));
  });
});
