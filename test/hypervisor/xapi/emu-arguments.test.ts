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

describe('EmuArguments', () => {
  it('reads the arguments as xenopsd writes them', () => {
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
    it(`reads ${spelling.join(' ')} as compression, and withholds it from the real emu-manager`, () => {
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

  it('reads any other value as no compression; the last one counts', () => {
    assert.equal(requestOf(...BASE, '-compress', 'false')?.compress, false);
    assert.equal(requestOf(...BASE, '-compress', 'true', '-compress=false')?.compress, false);
    assert.equal(requestOf(...BASE)?.compress, false);
    assert.deepEqual(new EmuArguments([...BASE, '-compress', 'false']).forReal(), BASE);
  });

  it('replaces the stream’s descriptor in the original spelling', () => {
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

  it('accepts unique abbreviations, and passes ambiguous ones on', () => {
    const words = ['-controli', '3', '-controlo=4', '--f', '5', '-fd', '5', '--mo', 'restore'];
    const request = requestOf(...words);
    assert.equal(request?.mode, 'restore');
    assert.equal(request.controlOut, 4);
    // fd or fork: emu-manager refuses it.
    assert.equal(requestOf(...CONTROL, '-f', '5', '-mode', 'save'), undefined);
  });

  it('passes -mem_pnode on: -m does not mean mode', () => {
    const words = [...CONTROL, '-fd', '5', '-mode', 'hvm_restore', '-domid', '7', '-mem_pnode', '1'];
    const args = new EmuArguments(words);
    assert.equal(args.request?.mode, 'hvm_restore');
    assert.deepEqual(args.forReal(9).slice(-2), ['-mem_pnode', '1']);
    assert.equal(requestOf(...words, '-me', '-1')?.mode, 'hvm_restore');
    // mode or mem_pnode: emu-manager refuses it.
    assert.equal(requestOf(...CONTROL, '-fd', '5', '-m', 'save'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', '5', '-mo', 'save')?.mode, 'save');
  });

  it('accepts a value that looks like an option', () => {
    assert.equal(requestOf(...BASE, '-domid', '-1')?.domid, '-1');
    // Some versions take these without a value.
    const bare = new EmuArguments(['-live', '-debug', ...BASE]);
    assert.equal(bare.request?.live, true);
    assert.deepEqual(bare.forReal(), ['-live', '-debug', ...BASE]);
  });

  it('stops at --', () => {
    assert.equal(requestOf(...BASE, '--', '-compress', 'true')?.compress, false);
  });

  it('has no request for a query of features', () => {
    const words = ['-supports', 'compress', ...BASE, '-compress', 'true'];
    const args = new EmuArguments(words);
    assert.equal(args.request, undefined);
    assert.deepEqual(args.forReal(), words);
    assert.equal(requestOf('-supports=migration-v2'), undefined);
  });

  it('has no request for incomplete arguments, which the real emu-manager reports', () => {
    assert.equal(requestOf('-fd', '5', '-mode', 'save'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', 'x', '-mode', 'save'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', '5', '-mode', 'swap'), undefined);
    assert.equal(requestOf(...CONTROL, '-fd', '5'), undefined);
  });

  it('reads the trace from either option', () => {
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const name of ['-traceparent', '--traceparent', '-trace']) {
      const args = new EmuArguments([...BASE, name, parent, '-tracestate', 'a=1']);
      assert.equal(args.request?.traceparent, parent);
      assert.equal(args.request.tracestate, 'a=1');
      assert.deepEqual(args.forReal().slice(-4), [name, parent, '-tracestate', 'a=1']);
    }
  });

  it('passes arbitrary words on unchanged', () => {
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
