// Messages of the way back, and what the sides make of them.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import {
  MAX_MESSAGE_BYTES,
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  messageRest,
  readMessage,
  writeMessage,
} from '../../src/control/messages.js';
import {
  narrowOffer,
  type FailedResult,
  type Hello,
  helloMessage,
  peerFailure,
  readHello,
  readResult,
  resultMessage,
} from '../../src/control/negotiation.js';
import { checkSums, type StatedSums, statedSums } from '../../src/container/sums.js';
import { RamferryError } from '../../src/errors.js';
import { isTyped } from '../chunk/typed.js';

describe('control message', () => {
  it('round-trips any type and body', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.uint8Array({ maxLength: 300 }), (type, body) => {
        const bytes = writeMessage(type, body);
        assert.equal(messageRest(bytes), bytes.length - MESSAGE_HEADER_BYTES);
        const message = readMessage(bytes);
        assert.equal(message.type, type);
        assert.deepEqual([...message.body], [...body]);
      }),
    );
  });

  it('accepts MAX_MESSAGE_BYTES, rejects more with ERR_STREAM_LIMIT', () => {
    const longest = writeMessage(MESSAGE.backward, new Uint8Array(MAX_MESSAGE_BYTES));
    assert.equal(messageRest(longest), MAX_MESSAGE_BYTES + 8);
    for (const length of [MAX_MESSAGE_BYTES + 1, 2 ** 31, 2 ** 32 - 1]) {
      const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
      header.writeUInt32LE(length, 4);
      assert.throws(() => messageRest(header), isTyped('ERR_STREAM_LIMIT'));
    }
  });

  it('rejects with ERR_STREAM_CHECKSUM, any bit of type, body or checksum flipped', () => {
    const whole = writeMessage(MESSAGE.progress, Buffer.alloc(8, 3));
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readMessage(damaged), isTyped('ERR_STREAM_CHECKSUM'), `bit ${bit}`);
    }
  });
});

const HELLO: Hello = {
  software: 'ramferry',
  versions: [1],
  codecs: ['none', 'lz4', 'zstd', 'zlib'],
  maxChunk: 16_777_216,
  memory: 268_435_456,
};

function bodyOf(message: Buffer): Buffer {
  return readMessage(message).body;
}

describe('readHello', () => {
  it('reads what helloMessage wrote', () => {
    assert.deepEqual(readHello(bodyOf(helloMessage(HELLO))), HELLO);
  });

  it('accepts more versions, codecs and fields, newer receiver', () => {
    const newer = { ...HELLO, versions: [1, 2], codecs: [...HELLO.codecs, 'brotli'], colour: 'green' };
    assert.deepEqual(readHello(Buffer.from(JSON.stringify(newer))).codecs, newer.codecs);
  });

  const wrong: Record<string, unknown> = {
    null: null,
    'no object': 7,
    'a field too few': { ...HELLO, memory: undefined },
    'codecs that are no list': { ...HELLO, codecs: 'zstd' },
    'a million codecs': { ...HELLO, codecs: Array.from({ length: 101 }, () => 'x') },
    'a memory of 0': { ...HELLO, memory: 0 },
    'a negative chunk size': { ...HELLO, maxChunk: -1 },
    'a chunk size beyond 2^53': { ...HELLO, maxChunk: 2 ** 60 },
    'a version that is a text': { ...HELLO, versions: ['1'] },
  };
  for (const [name, value] of Object.entries(wrong)) {
    it(`rejects ${name} with ERR_LINK_NEGOTIATION`, () => {
      assert.throws(() => readHello(Buffer.from(JSON.stringify(value))), isTyped('ERR_LINK_NEGOTIATION'));
    });
  }

  it('rejects invalid JSON, a cut body and invalid UTF-8 with ERR_LINK_NEGOTIATION', () => {
    const whole = Buffer.from(JSON.stringify(HELLO));
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => readHello(whole.subarray(0, length)), isTyped('ERR_LINK_NEGOTIATION'));
    }
    assert.throws(() => readHello(Buffer.from([0xff, 0xfe, 0])), isTyped('ERR_LINK_NEGOTIATION'));
  });
});

describe('narrowOffer', () => {
  const ASKED = { codec: true, maxChunk: true };
  const offer = { codec: 'zstd', maxChunk: 1_048_576, memory: 3_000_000 } as const;

  it('keeps an offer that fits exactly', () => {
    assert.deepEqual(narrowOffer(offer, ASKED, HELLO), offer);
    const largest = { ...offer, maxChunk: HELLO.maxChunk, memory: HELLO.memory };
    assert.deepEqual(narrowOffer(largest, ASKED, HELLO), largest);
  });

  it('narrows codec and chunk size that the user did not name', () => {
    const open = { codec: false, maxChunk: false };
    const narrow = { ...HELLO, codecs: ['none', 'zlib', 'lz4'], maxChunk: 65_536 };
    assert.deepEqual(narrowOffer(offer, open, narrow), { ...offer, codec: 'lz4', maxChunk: 65_536 });
  });

  const refused: [what: string, hello: Partial<Hello>, both: RegExp][] = [
    ['version', { versions: [2, 3] }, /stream version.* has 1, .* 2, 3/],
    ['codec', { codecs: ['none', 'lz4'] }, /codec.*zstd.*none, lz4/],
    ['chunk size', { maxChunk: 65_536 }, /1048576.*65536/],
    ['memory', { memory: 2_999_999 }, /3000000.*2999999/],
  ];
  for (const [what, change, both] of refused) {
    it(`names what both sides have, ${what} does not fit`, () => {
      assert.throws(
        () => {
          narrowOffer(offer, ASKED, { ...HELLO, ...change });
        },
        (thrown) => {
          isTyped('ERR_LINK_NEGOTIATION')(thrown);
          assert.match((thrown as Error).message, both);
          return true;
        },
      );
    });
  }
});

function failed(message: Buffer): FailedResult {
  const result = readResult(bodyOf(message));
  assert.ok(!result.ok);
  return result;
}

describe('checkSums', () => {
  const sent = { bytes: 8192, chunks: 2, digest: 0xabn };

  it('accepts equal sums', () => {
    checkSums(statedSums(sent), sent);
    checkSums({ bytes: 8192 }, sent);
  });

  const different: [name: string, stated: StatedSums, text: RegExp][] = [
    ['no bytes', { chunks: 2 }, /does not say how many bytes/],
    ['0 bytes', { bytes: 0 }, /delivered 0 bytes, and 8192 were sent/],
    ['one byte more', { bytes: 8193 }, /8193/],
    ['another number of chunks', { bytes: 8192, chunks: 1 }, /1 chunks, and 2/],
    ['another digest', { bytes: 8192, chunks: 2, digest: '00000000000000ac' }, /00000000000000ab/],
  ];
  for (const [name, stated, text] of different) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => checkSums(stated, sent),
        (thrown) => {
          isTyped('ERR_LINK_NEGOTIATION')(thrown);
          assert.match((thrown as Error).message, text);
          return true;
        },
      );
    });
  }
});

describe('readResult', () => {
  it('reads the sums of a success', () => {
    const sums = { bytes: 2 ** 40, chunks: 3, digest: '00000000000000ff' };
    assert.deepEqual(readResult(bodyOf(resultMessage({ ok: true, ...sums }))), { ok: true, ...sums });
  });

  it('reads a success with bytes only, version 0.1', () => {
    const { ok, bytes } = readResult(Buffer.from('{"ok":true,"bytes":7}'));
    assert.deepEqual({ ok, bytes }, { ok: true, bytes: 7 });
  });

  it('reads the bytes that may have been delivered, failure', () => {
    const { ok, bytes } = readResult(bodyOf(resultMessage({ ok: false, bytes: 4096 })));
    assert.deepEqual({ ok, bytes }, { ok: false, bytes: 4096 });
  });

  it("peerFailure: gives the sender's error, with reason, place and hint", () => {
    const error = new RamferryError('ERR_OUTPUT_FULL', 'no space left', {
      record: 3,
      offset: 4096,
      hint: 'free some space',
    });
    const failure = peerFailure(failed(resultMessage({ ok: false, error: error.toData() })));
    assert.equal(failure.code, 'ERR_PEER_FAILED');
    assert.match(failure.message, /ERR_OUTPUT_FULL: no space left \(record 3, offset 4096\)/);
    assert.equal(failure.hint, 'free some space');
  });

  it('peerFailure: gives ERR_PEER_FAILED, no reason given', () => {
    assert.equal(peerFailure({ ok: false }).code, 'ERR_PEER_FAILED');
  });

  it('resultMessage: shortens very long texts of a failure', () => {
    const error = new RamferryError('ERR_OUTPUT_OPEN', 'x'.repeat(100_000), { hint: 'y'.repeat(100_000) });
    const failure = peerFailure(failed(resultMessage({ ok: false, error: error.toData() })));
    assert.match(failure.message, /ERR_OUTPUT_OPEN: xxx/);
  });

  const wrong: Record<string, unknown> = {
    'no verdict': { bytes: 3 },
    'an unknown code': { ok: false, error: { code: 'ERR_NO_SUCH_THING', message: '' } },
    'a negative number of bytes': { ok: true, bytes: -1 },
    'chunks that are no number': { ok: true, bytes: 1, chunks: '1' },
    'a digest of another length': { ok: true, bytes: 1, digest: 'ff' },
  };
  for (const [name, value] of Object.entries(wrong)) {
    it(`rejects ${name} with ERR_LINK_NEGOTIATION`, () => {
      assert.throws(() => readResult(Buffer.from(JSON.stringify(value))), isTyped('ERR_LINK_NEGOTIATION'));
    });
  }
});
