// How each grammar reports the end of its stream: complete streams, and the same streams cut at every byte.
// A cut stream is never `seen`, except where only an optional part is missing.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { grammarFor } from '../../src/grammar/detect.js';
import type { Grammar, StreamEnd } from '../../src/grammar/grammar.js';
import { LibvirtGrammar } from '../../src/grammar/qemu/libvirt.js';
import { createXenGrammar } from '../../src/grammar/xen/libxc.js';
import { QemuGrammar } from '../../src/grammar/qemu/qemu.js';
import { QemuTail } from '../../src/grammar/qemu/tail.js';
import {
  listening,
  oldMachine,
  postcopy,
  precopy,
  QemuStream,
  unknownLive,
  vfio,
  virtioMem,
  withCapabilities,
} from './support/qemu-streams.js';
import { Recorder, record } from './support/xen-recorder.js';
import { wellFormed } from './support/xen-streams.js';

type State = StreamEnd['state'];

function stateOf(grammar: Grammar, bytes: Uint8Array, piece = Infinity): State {
  record(grammar, bytes, piece);
  return grammar.end().state;
}

/** The grammar's report after each byte; `states[n]`: the input has n bytes. */
function states(grammar: Grammar, bytes: Uint8Array): State[] {
  const recorder = new Recorder();
  const found: State[] = [grammar.end().state];
  for (let at = 0, fed = 1; fed <= bytes.length; fed++) {
    recorder.reopen();
    at += grammar.scan(bytes.subarray(at, fed), false, recorder);
    found.push(grammar.end().state);
  }
  return found;
}

/** RAM, two small devices, EOF, and a description where one is given. */
function small(description: string | undefined, footers = true): Buffer {
  const stream = new QemuStream(3);
  stream.footers = footers;
  stream.magic().configuration().ramSetup().sectionPart(2).mixture(4).eos().footer(2);
  stream.sectionPart(2, 3).mixture(3).eos().footer(2).ends('skeleton');
  stream.device(0, 'timer', 64).device(39, 'globalstate', 200).eof();
  return (description === undefined ? stream : stream.vmDescription(description)).build().bytes;
}

const DESCRIPTION = '{"page_size": 4096, "devices": [{"name": "a \\"{]", "fields": [{"size": 4}]}]}';

describe('end() of a QEMU stream', () => {
  const whole: Record<string, [Buffer, State]> = {
    'precopy with a description': [precopy(1).bytes, 'seen'],
    'a description with brackets in its strings': [small(DESCRIPTION), 'seen'],
    'no device between RAM and EOF': [
      new QemuStream(1).magic().ramSetup().sectionPart(2, 3).mixture(3).eos().footer(2).eof().build().bytes,
      'seen',
    ],
    'the description is suppressed': [small(undefined), 'unseen'],
    'the description is suppressed, x-ignore-shared': [withCapabilities(4).bytes, 'unseen'],
    'an old machine type without footers and description': [oldMachine(3).bytes, 'unseen'],
    'bytes behind the description': [Buffer.concat([precopy(1).bytes, Buffer.alloc(9)]), 'unseen'],
    'postcopy with a package': [postcopy(7).bytes, 'unseen'],
    'postcopy with LISTEN': [listening(8).bytes, 'unseen'],
    'virtio-mem before ram': [virtioMem(5).bytes, 'seen'],
    'sections of VFIO': [vfio(6).bytes, 'seen'],
    'sections of an unknown format': [unknownLive(6).bytes, 'seen'],
    'unknown bytes to the end': [unknownLive(6).bytes.subarray(0, 15_000), 'unseen'],
    'nothing at all': [Buffer.alloc(0), 'incomplete'],
  };
  for (const [name, [bytes, state]] of Object.entries(whole)) {
    it(`is ${state}, ${name}`, () => {
      for (const piece of [Infinity, 1, 7, 4097]) {
        assert.equal(stateOf(new QemuGrammar(), bytes, piece), state);
      }
    });
  }

  it('is never seen for a stream cut at any byte', () => {
    for (const footers of [true, false]) {
      const bytes = small(DESCRIPTION, footers);
      const found = states(new QemuGrammar(), bytes);
      assert.equal(found.at(-1), 'seen');
      assert.equal(found.indexOf('seen'), bytes.length);
      // EOF has come without the description: the guest is complete, but the format does not show it.
      const eof = bytes.indexOf(Buffer.from([0, 6, 0, 0, 0, DESCRIPTION.length])) + 1;
      assert.equal(found[eof], 'unseen');
      const between = footers ? found.filter((state) => state === 'unseen').length : 1;
      assert.equal(between, 1, 'with footers no other place looks like an end');
    }
  });

  it('does not depend on the split of a cut stream', () => {
    const bytes = small(DESCRIPTION);
    const found = states(new QemuGrammar(), bytes);
    for (let cut = 0; cut < bytes.length; cut += cut > bytes.length - 600 ? 1 : 61) {
      assert.equal(stateOf(new QemuGrammar(), bytes.subarray(0, cut)), found[cut], `cut at ${cut}`);
    }
  });

  it('is incomplete at every byte before the end of RAM', () => {
    const bytes = precopy(2, 2, 8).bytes;
    const end = bytes.lastIndexOf(Buffer.from([3, 0, 0, 0, 2]));
    const found = states(new QemuGrammar(), bytes.subarray(0, end));
    assert.deepEqual([...new Set(found)], ['incomplete']);
  });

  it('is incomplete within the header of a description directly behind RAM', () => {
    const start = new QemuStream(1).magic().ramSetup().sectionPart(2, 3).mixture(3).eos().footer(2).eof();
    const { length } = start;
    const bytes = start.vmDescription().build().bytes;
    for (let cut = length + 1; cut < bytes.length; cut++) {
      assert.equal(stateOf(new QemuGrammar(), bytes.subarray(0, cut)), 'incomplete');
    }
    assert.equal(stateOf(new QemuGrammar(), bytes), 'seen');
  });
});

describe('QemuTail', () => {
  const footer = Buffer.from([0x7e, 0, 0, 0, 39]);
  const described = (text: string, length = text.length): Buffer =>
    Buffer.concat([footer, Buffer.from([0, 6, 0, 0, length >> 8, length & 255]), Buffer.from(text)]);
  const tailOf = (bytes: Uint8Array, footers = true): State => {
    const tail = new QemuTail(footers);
    tail.take(bytes);
    return tail.end().state;
  };

  it('accepts only a description that is JSON of the given length', () => {
    for (const [text, length] of [
      ['{"a": 1}', 7],
      ['{"a": 1}', 9],
      ['{"a": 1]}', undefined],
      ['{"a": [1}', undefined],
      ['{"a"\n: 1}', undefined],
      ['{"a": "}', undefined],
      ['{}{}', undefined],
    ] as const) {
      assert.notEqual(tailOf(described(text, length)), 'seen', text);
    }
    assert.equal(tailOf(described('{"a": 1}')), 'seen');
  });

  it('finds the description behind bytes that look like the start of one', () => {
    const real = described('{"a": [1, 2]}');
    for (const before of [
      Buffer.from([0, 6, 0, 0, 0, 50, 0x7b, 0x22, 0x61]),
      Buffer.from([0, 6, 0, 0, 0, 50]),
      Buffer.from([0, 6, 0, 6, 0x7b, 0x7b, 0x7b]),
      // No text is so short: it was found again and again.
      Buffer.from([0, 6, 0, 0, 0, 0, 0x7b]),
      Buffer.from([0, 6, 0, 0, 0, 1, 0x7b]),
      described('{"b": 2}'),
      Buffer.from([0x7e, 0, 0, 0, 6, 0, 6, 0, 0]),
    ]) {
      const bytes = Buffer.concat([before, real]);
      assert.equal(tailOf(bytes), 'seen');
      const tail = new QemuTail(true);
      for (let at = 0; at < bytes.length; at++) tail.take(bytes.subarray(at, at + 1));
      assert.equal(tail.end().state, 'seen');
    }
  });

  it('does not depend on the split, and is seen only behind a closing brace', () => {
    // A few relevant values, so that heads, footers and text occur often.
    const byte = fc.constantFrom(0, 0, 6, 6, 1, 3, 0x7b, 0x7d, 0x22, 0x5b, 0x5d, 0x7e, 0x61);
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 300 }),
        fc.nat({ max: 20 }),
        fc.boolean(),
        (list, size, footers) => {
          const bytes = Uint8Array.from(list);
          const tail = new QemuTail(footers);
          for (let at = 0; at < bytes.length; at += size + 1) tail.take(bytes.subarray(at, at + size + 1));
          const { state } = tail.end();
          assert.equal(state, tailOf(bytes, footers));
          if (state === 'seen') assert.equal(bytes.at(-1), 0x7d);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('end() of a libvirt save image', () => {
  const stream = small(DESCRIPTION);
  const image = (magic = 'LibvirtQemudSave', format = 0): Buffer => {
    const header = Buffer.alloc(92);
    header.write(magic, 'latin1');
    [2, 500, 1, format].forEach((value, i) => header.writeUInt32LE(value, 16 + 4 * i));
    return Buffer.concat([header, Buffer.alloc(500, '<domain/>'), stream]);
  };

  it('is that of its QEMU stream', () => {
    const bytes = image();
    assert.equal(stateOf(new LibvirtGrammar(), bytes, 13), 'seen');
    const found = states(new LibvirtGrammar(), bytes);
    assert.equal(found.indexOf('seen'), bytes.length);
    assert.deepEqual([...new Set(found.slice(0, 700))], ['incomplete']);
  });

  it('is incomplete with the preliminary magic', () => {
    assert.equal(stateOf(new LibvirtGrammar(), image('LibvirtQemudPart')), 'incomplete');
  });

  it('is unseen for an image that libvirt compressed', () => {
    assert.equal(stateOf(new LibvirtGrammar(), image(undefined, 5)), 'unseen');
  });
});

describe('end() of a Xen stream', () => {
  for (const [name, { kind, stream }] of Object.entries(wellFormed())) {
    const state = name === 'xenopsd with vGPU' ? 'unseen' : 'seen';
    it(`is ${state} for the complete stream: ${name}`, () => {
      for (const piece of [Infinity, 1, 77]) {
        assert.equal(stateOf(createXenGrammar(kind), stream.bytes(), piece), state);
      }
    });

    it(`is never seen for a cut stream: ${name}`, () => {
      const bytes = stream.bytes();
      const found = states(createXenGrammar(kind), bytes);
      const first = found.indexOf('seen');
      const end = first < 0 ? found.indexOf('unseen') : first;
      assert.deepEqual([...new Set(found.slice(0, end))], ['incomplete']);
      for (let cut = 0; cut < end; cut += cut > end - 100 ? 1 : 211) {
        assert.equal(stateOf(createXenGrammar(kind), bytes.subarray(0, cut)), 'incomplete', `cut at ${cut}`);
      }
    });
  }

  it('is unseen for an unknown version', () => {
    const bytes = Buffer.from(wellFormed()['pv']!.stream.bytes());
    bytes.writeUInt32BE(9, 12);
    assert.equal(stateOf(createXenGrammar('libxc'), bytes), 'unseen');
  });
});

describe('end() of a stream without an end mark', () => {
  for (const kind of ['raw', 'opaque'] as const) {
    it(`is unseen: ${kind}`, () => {
      assert.equal(stateOf(grammarFor(kind), Buffer.alloc(8192)), 'unseen');
    });
  }
});
