// The arguments that xenopsd gives emu-manager, in every spelling that getopt_long_only reads.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EmuArguments, type EmuRequest } from '../../../src/hypervisor/xapi/emu-arguments.js';

const CONTROL = ['-controlinfd', '3', '-controloutfd', '4'];
const BASE = [...CONTROL, '-fd', '5', '-mode', 'hvm_save', '-domid', '7'];

function requestOf(...words: string[]): EmuRequest | undefined {
  return new EmuArguments(words).request;
}

describe('the arguments of emu-manager', () => {
  it('are read as xenopsd writes them', () => {
    const request = requestOf(...BASE, '-live', 'true', '-dm', 'qemu', '-dm', 'vgpu:6', '-compress', 'true');
    assert.deepEqual(request, {
      mode: 'hvm_save',
      saving: true,
      live: true,
      compress: true,
      fd: 5,
      controlIn: 3,
      controlOut: 4,
      others: new Map([['vgpu', 6]]),
      domid: '7',
      traceparent: undefined,
      tracestate: undefined,
    });
  });

  for (const spelling of [
    ['-compress', 'true'],
    ['--compress', 'true'],
    ['-compress=true'],
    ['--compress=true'],
    ['-compr', 'true'],
    ['--com=TRUE'],
    ['-compress'],
  ]) {
    it(`mean compression by ${spelling.join(' ')}, which the real one never sees`, () => {
      for (const words of [
        [...spelling, ...BASE],
        [...BASE, ...spelling],
      ]) {
        const args = new EmuArguments(words);
        assert.equal(args.request?.compress, true);
        assert.deepEqual(args.forReal(), BASE);
      }
    });
  }

  it('mean none by another value, and the last one counts', () => {
    assert.equal(requestOf(...BASE, '-compress', 'false')?.compress, false);
    assert.equal(requestOf(...BASE, '-compress', 'true', '-compress=false')?.compress, false);
    assert.equal(requestOf(...BASE)?.compress, false);
    assert.deepEqual(new EmuArguments([...BASE, '-compress', 'false']).forReal(), BASE);
  });

  it('get another stream in the spelling they had', () => {
    for (const [written, expected] of [
      [
        ['-fd', '5'],
        ['-fd', '9'],
      ],
      [['--fd=5'], ['--fd=9']],
      [['-fd=5'], ['-fd=9']],
    ] as const) {
      const args = new EmuArguments([...CONTROL, ...written, '-mode', 'save']);
      assert.equal(args.request?.fd, 5);
      assert.deepEqual(args.forReal(9), [...CONTROL, ...expected, '-mode', 'save']);
    }
  });

  it('may be cut short where they stay unique, and are left alone where not', () => {
    const words = ['-controli', '3', '-controlo=4', '--f', '5', '-fd', '5', '--mo', 'restore'];
    const request = requestOf(...words);
    assert.equal(request?.mode, 'restore');
    assert.equal(request.controlOut, 4);
    // fd or fork: emu-manager refuses it itself.
    assert.equal(requestOf(...CONTROL, '-f', '5', '-mode', 'save'), undefined);
  });

  it('know the NUMA node of a restore: -m is no mode, and it passes as it is', () => {
    const words = [...CONTROL, '-fd', '5', '-mode', 'hvm_restore', '-domid', '7', '-mem_pnode', '1'];
    const args = new EmuArguments(words);
    assert.equal(args.request?.mode, 'hvm_restore');
    assert.deepEqual(args.forReal(9).slice(-2), ['-mem_pnode', '1']);
    assert.equal(requestOf(...words, '-me', '-1')?.mode, 'hvm_restore');
    // mode or mem_pnode: emu-manager refuses it itself.
    assert.equal(requestOf(...CONTROL, '-fd', '5', '-m', 'save'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', '5', '-mo', 'save')?.mode, 'save');
  });

  it('with a value that looks like an option', () => {
    assert.equal(requestOf(...BASE, '-domid', '-1')?.domid, '-1');
    // Some versions know these without a value.
    const bare = new EmuArguments(['-live', '-debug', ...BASE]);
    assert.equal(bare.request?.live, true);
    assert.deepEqual(bare.forReal(), ['-live', '-debug', ...BASE]);
  });

  it('end at --', () => {
    assert.equal(requestOf(...BASE, '--', '-compress', 'true')?.compress, false);
  });

  it('that only ask are nobody’s but the real one’s', () => {
    const words = ['-supports', 'compress', ...BASE, '-compress', 'true'];
    const args = new EmuArguments(words);
    assert.equal(args.request, undefined);
    assert.deepEqual(args.forReal(), words);
    assert.equal(requestOf('-supports=migration-v2'), undefined);
  });

  it('that are not complete are left to the real one to complain of', () => {
    assert.equal(requestOf('-fd', '5', '-mode', 'save'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', 'x', '-mode', 'save'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', '5', '-mode', 'swap'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', '5'), undefined);
  });

  it('bring the trace along, in the one option or the other', () => {
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const name of ['-traceparent', '--traceparent', '-trace']) {
      const args = new EmuArguments([...BASE, name, parent, '-tracestate', 'a=1']);
      assert.equal(args.request?.traceparent, parent);
      assert.equal(args.request.tracestate, 'a=1');
      assert.deepEqual(args.forReal().slice(-4), [name, parent, '-tracestate', 'a=1']);
    }
  });

  it('pass through word by word, whatever they are', () => {
    const name = fc.constantFrom('-x', '--what', '-domid', '-dm', 'word', '-store_port=3', '', '-', '--=');
    fc.assert(
      fc.property(fc.array(fc.oneof(name, fc.string())), (words) => {
        const named = words.some((word) => /^--?(comp|s)/.test(word));
        fc.pre(!named);
        assert.deepEqual(new EmuArguments(words).forReal(), words);
      }),
    );
  });
});
