// The check of the options of send and receive: defaults, quantities, and the messages of refusals.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RamferryError } from '../../src/errors.js';
import { allowedCpus } from '../../src/os/processor/cpus.js';
import { readEnvironment, unknownVariables } from '../../src/cli/settings/environment.js';
import { environmentName } from '../../src/options/names.js';
import { optionsOf } from '../../src/options/table.js';
import { resolveReceiveOptions, resolveSendOptions } from '../../src/options/transfer.js';

const ends = { input: 'file:/a', output: 'tcp:b:1' };

function refusal(run: () => unknown): RamferryError {
  try {
    run();
  } catch (thrown) {
    assert.ok(thrown instanceof RamferryError);
    assert.equal(thrown.code, 'ERR_OPTION_INVALID');
    return thrown;
  }
  assert.fail('was accepted');
}
/** Options that the types do not allow, as from a caller in JavaScript or from the command line. */
const send = (options: object) => () => resolveSendOptions({ ...ends, ...options });
const receive = (options: object) => () => resolveReceiveOptions({ ...ends, ...options });

describe('resolveSendOptions', () => {
  it('fills in all defaults, only the ends given', () => {
    assert.deepEqual(resolveSendOptions(ends), {
      ...ends,
      compressThreads: Math.min(8, allowedCpus()),
      compressLevel: 1,
      codec: 'zstd',
      maxLevel: 19,
      chunkSize: 1048576,
      maxBandwidth: 0,
      downtimeLimit: 300,
      memoryLimit: 335544320,
      compressWaitThread: true,
      selfCheck: false,
      method: 'xenguest',
      format: 'auto',
      flushAfter: 50,
      ioTimeout: 30000,
      reconnect: 0,
      connections: 1,
      hypervisorConnections: 1,
      force: false,
      directIo: false,
      sync: false,
      oneWay: false,
      tls: false,
      tlsVerifyPeer: true,
      tlsAuthz: [],
      allow: [],
    });
  });

  it('sets the chunk size to the window, and refuses both together', () => {
    const { chunkSize, window } = resolveSendOptions({ ...ends, window: '32MiB' });
    assert.equal(chunkSize, 33554432);
    assert.equal(window, 33554432);
    assert.match(refusal(send({ window: '32MiB', chunkSize: '1MiB' })).message, /window and chunkSize/);
    assert.match(refusal(send({ window: '65MiB' })).message, /^window/);
    assert.match(refusal(send({ window: '8MiB' })).message, /^window/);
    assert.match(refusal(send({ window: 16777217 })).message, /^window.*multiple of 4096/);
  });

  it('accepts processor time in CPUs or percent of one', () => {
    for (const [written, cpus] of [
      [1.5, 1.5],
      ['1.5', 1.5],
      ['150%', 1.5],
      ['50 %', 0.5],
    ] as const) {
      assert.equal(resolveSendOptions({ ...ends, maxCpu: written }).maxCpu, cpus);
    }
    for (const wrong of [0, '0%', '-1', 'all', '5%%', 256]) {
      assert.match(refusal(send({ maxCpu: wrong })).message, /maxCpu/);
    }
    assert.match(refusal(send({ nice: 20 })).message, /nice/);
    assert.match(refusal(send({ maxLevel: 20 })).message, /maxLevel/);
  });

  it('accepts quantities as numbers and as texts with a unit', () => {
    const { chunkSize, maxBandwidth, memoryLimit, ioTimeout } = resolveSendOptions({
      ...ends,
      chunkSize: '512k',
      maxBandwidth: '1gbit',
      memoryLimit: '1G',
      ioTimeout: '5s',
    });
    assert.deepEqual(
      { chunkSize, maxBandwidth, memoryLimit, ioTimeout },
      { chunkSize: 524288, maxBandwidth: 125000000, memoryLimit: 1073741824, ioTimeout: 5000 },
    );
    assert.equal(resolveSendOptions({ ...ends, chunkSize: 65536 }).chunkSize, 65536);
  });

  it('passes the signal and callbacks on unchanged', () => {
    const { signal } = new AbortController();
    const heard: string[] = [];
    const options = resolveSendOptions({ ...ends, signal, onWarning: (message) => heard.push(message) });
    assert.equal(options.signal, signal);
    options.onWarning!('a warning');
    assert.deepEqual(heard, ['a warning']);
  });

  const bad: [object, RegExp][] = [
    [{ input: '' }, /^input: expected an address that is not empty, or a stream, got ""$/],
    [{ output: undefined }, /^output: expected an address that is not empty, or a stream, got undefined$/],
    [{ compressThreads: 0 }, /^compressThreads: 0 is below the minimum of 1$/],
    [{ compressThreads: 256 }, /^compressThreads: 256 is above the maximum of 255$/],
    [{ compressThreads: 1.5 }, /^compressThreads: expected a whole number, got 1.5$/],
    [{ compressThreads: '2' }, /^compressThreads: expected a number, got "2"$/],
    [{ codec: 'gzip' }, /^codec: expected one of none, lz4, zstd, zlib, got "gzip"$/],
    [{ chunkSize: '32K' }, /^chunkSize: 32K is below the minimum of 64KiB$/],
    [{ chunkSize: '17M' }, /^chunkSize: 17M is above the maximum of 16MiB$/],
    [{ chunkSize: 100_000 }, /^chunkSize: expected a multiple of 4096, got 100000$/],
    [{ chunkSize: 'big' }, /^chunkSize: expected a size, got "big"$/],
    [{ chunkSize: true }, /^chunkSize: .*got true$/],
    [{ maxBandwidth: '1Mb' }, /^maxBandwidth: /],
    [{ memoryLimit: '1M' }, /^memoryLimit: /],
    [{ method: 'Stream' }, /^method: expected one of xenguest, stream, got "Stream"$/],
    [{ format: 'elf' }, /^format: expected one of auto, /],
    [{ flushAfter: 0 }, /^flushAfter: 0 is below the minimum of 1ms$/],
    [{ selfCheck: 'yes' }, /^selfCheck: expected a boolean, got "yes"$/],
    [{ signal: {} }, /^signal: /],
    [{ onProgress: 'x' }, /^onProgress: expected a function, got "x"$/],
    [{ decompressThreads: 2 }, /^decompressThreads: no such option$/],
  ];
  for (const [options, message] of bad) {
    it(`refuses ${JSON.stringify(options)}`, () => assert.match(refusal(send(options)).message, message));
  }

  it('suggests an option, misspelt name', () => {
    assert.match(refusal(send({ compressThread: 1 })).hint ?? '', /compressThreads/);
  });
});

describe('resolveReceiveOptions', () => {
  it('fills in all defaults, only the ends given', () => {
    assert.deepEqual(resolveReceiveOptions(ends), {
      ...ends,
      decompressThreads: Math.min(2, allowedCpus()),
      memoryLimit: 335544320,
      passThrough: false,
      resume: false,
      ioTimeout: 30000,
      reconnect: 0,
      connections: 1,
      hypervisorConnections: 1,
      force: false,
      directIo: false,
      sync: false,
      oneWay: false,
      tls: false,
      tlsVerifyPeer: true,
      tlsAuthz: [],
      allow: [],
    });
  });

  it('refuses options of send', () => {
    assert.match(refusal(receive({ codec: 'zstd' })).message, /^codec: no such option$/);
    assert.match(refusal(receive({ decompressThreads: 0 })).message, /^decompressThreads: /);
  });
});

describe('options from the environment', () => {
  const optionsFromEnvironment = (
    env: Record<string, string>,
    command: 'send' | 'receive',
  ): Record<string, unknown> =>
    Object.fromEntries(
      optionsOf(command)
        .map((option) => [option.name, readEnvironment(env, option)] as const)
        .filter(([, value]) => value !== undefined),
    );

  it('have the upper-case names of the options', () => {
    assert.equal(environmentName('compressThreads'), 'RAMFERRY_COMPRESS_THREADS');
    assert.equal(environmentName('directIo'), 'RAMFERRY_DIRECT_IO');
  });

  it('are converted to their types, empty ones ignored', () => {
    const env = {
      RAMFERRY_COMPRESS_THREADS: '3',
      RAMFERRY_COMPRESS_LEVEL: '-5',
      RAMFERRY_CHUNK_SIZE: '512K',
      RAMFERRY_SELF_CHECK: 'on',
      RAMFERRY_COMPRESS_WAIT_THREAD: 'No',
      RAMFERRY_CODEC: '',
      RAMFERRY_DECOMPRESS_THREADS: '1',
      COMPRESS_THREADS: '9',
    };
    const options = optionsFromEnvironment(env, 'send');
    assert.deepEqual(options, {
      compressThreads: 3,
      compressLevel: -5,
      chunkSize: '512K',
      selfCheck: true,
      compressWaitThread: false,
    });
    assert.equal(resolveSendOptions({ ...ends, ...options }).chunkSize, 524288);
    assert.deepEqual(optionsFromEnvironment(env, 'receive'), { decompressThreads: 1 });
  });

  it('name the variable in the error, invalid value', () => {
    const read = (env: Record<string, string>) => () => optionsFromEnvironment(env, 'send');
    assert.match(
      refusal(read({ RAMFERRY_COMPRESS_THREADS: 'two' })).message,
      /^RAMFERRY_COMPRESS_THREADS: .*"two"/,
    );
    assert.match(refusal(read({ RAMFERRY_SELF_CHECK: 'maybe' })).message, /^RAMFERRY_SELF_CHECK: /);
  });
});

describe('unknownVariables', () => {
  it('names each variable with a suggestion', () => {
    const said = unknownVariables({
      RAMFERRY_CODECC: 'lz4',
      RAMFERRY_CODEC: 'lz4',
      RAMFERRY_X: '1',
      PATH: '/bin',
    });
    assert.equal(said.length, 2);
    assert.match(said[0]!, /RAMFERRY_CODECC sets no option: did you mean RAMFERRY_CODEC\?/);
    assert.match(said[1]!, /RAMFERRY_X sets no option$/);
  });
});
