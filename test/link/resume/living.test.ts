// Conversation version 3 against docs/FORMAT.md: tries every cell of its table, in memory, and reads what its sink writes.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { type ErrorCode, RamferryError } from '../../../src/errors.js';
import { livingOpening, newId } from '../../../src/link/resume/joining.js';
import { LivingSink } from '../../../src/link/resume/living-sink.js';
import { LivingSource } from '../../../src/link/resume/living-source.js';
import { packet, PACKET } from '../../../src/link/resume/packet.js';
import { isTyped } from '../../chunk/typed.js';
import { MemorySink, MemorySource } from '../../transfer/support/memory-link.js';
import { stateTable } from './state-table.js';

function part(position: number, text: string, flags = 0): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(text.length, 0);
  numbers.writeUInt32LE(flags, 4);
  return Buffer.concat([packet(PACKET.stream, position, numbers), Buffer.from(text)]);
}

function damaged(bytes: Buffer): Buffer {
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
}

function tooLong(): Buffer {
  const bytes = packet(PACKET.alive, 0);
  bytes.writeUInt32LE(2 ** 30, 4);
  return bytes;
}

const NOTHING = Buffer.alloc(0);
/** Behind three bytes of the stream. */
const COMES: Readonly<Record<string, Buffer>> = {
  stream: part(3, 'def'),
  'stream at another position': part(4, 'def'),
  'stream of no bytes': part(3, ''),
  end: packet(PACKET.end, 3),
  'end at another position': packet(PACKET.end, 4),
  alive: packet(PACKET.alive, 0),
  heard: packet(PACKET.heard, 0),
  abort: packet(PACKET.abort, 0),
  'an unknown type': packet(99, 0),
  'a wrong checksum': damaged(packet(PACKET.alive, 0)),
  'too long a packet': tooLong(),
  'a piece of a packet, the end': packet(PACKET.alive, 0).subarray(0, -1),
  'a piece of a part, the end': part(3, 'def').subarray(0, -1),
  "the connection's end": NOTHING,
  silence: NOTHING,
};

/** A source that gives these bytes, and then ends or is silent. */
function from(bytes: Buffer, isSilent = false, piece = Infinity): LivingSource {
  const inner = new MemorySource(bytes, piece);
  const read = async (target: Uint8Array): Promise<number> => {
    const got = await inner.read(target);
    if (got === 0 && isSilent) throw new RamferryError('ERR_LINK_TIMEOUT', 'no byte came');
    return got;
  };
  return new LivingSource(
    { label: 'memory', read, close: () => inner.close() },
    { ioTimeout: 0, onOpen: () => undefined, onPlain: () => undefined },
  );
}

async function readAll(source: LivingSource): Promise<string> {
  const target = Buffer.alloc(100);
  let text = '';
  for (let got = await source.read(target); got > 0; got = await source.read(target))
    text += target.toString('latin1', 0, got);
  return text;
}

const OPENING = livingOpening(newId());

describe('conversation version 3', () => {
  const { states, rows } = stateTable('### Conversation version 3');
  for (const [comes, ...outcomes] of rows) {
    outcomes.forEach((becomes, index) => {
      const state = states[index]!;
      it(`${state}: ${comes}: ${becomes}`, async () => {
        const bytes = COMES[comes!];
        assert.ok(bytes !== undefined, `the test does not know "${comes}"`);
        const isSilent = comes === 'silence';
        if (state === 'end') await atEnd(bytes, becomes, isSilent);
        else await inStream(bytes, becomes, isSilent);
      });
    });
  }
});

async function inStream(bytes: Buffer, becomes: string, isSilent: boolean): Promise<void> {
  const hasEnd = bytes.equals(COMES['end']!);
  const more = bytes.includes('def') ? 6 : 3;
  const rest = becomes !== 'accepted' || hasEnd ? NOTHING : packet(PACKET.end, more);
  const source = from(Buffer.concat([OPENING, part(0, 'abc'), bytes, rest]), isSilent, 1);
  if (becomes === 'accepted') assert.equal(await readAll(source), 'abcdef'.slice(0, more));
  else await assert.rejects(readAll(source), isTyped(becomes as ErrorCode));
}

async function atEnd(bytes: Buffer, becomes: string, isSilent: boolean): Promise<void> {
  const before = [OPENING, part(0, 'abc'), packet(PACKET.end, 3)];
  const source = from(Buffer.concat([...before, bytes, packet(PACKET.heard, 0)]), isSilent);
  assert.equal(await readAll(source), 'abc');
  if (bytes.length > 0) assert.equal(await source.heard(), becomes === 'accepted');
  else {
    const ended = from(Buffer.concat(before), isSilent);
    await readAll(ended);
    assert.equal(await ended.heard(), false);
    assert.ok(ended.isBroken);
  }
}

describe('LivingSource', () => {
  it('gives the bytes of a sender of version 1 unchanged', async () => {
    for (const text of ['', '\x89', '\x89RF2 no magic', '\x89RF3\r\n\x1a', 'QEVM and so on']) {
      for (const piece of [1, Infinity]) {
        assert.equal(await readAll(from(Buffer.from(text, 'latin1'), false, piece)), text);
      }
    }
  });

  it('tells whether the final part may have come', async () => {
    for (const flags of [0, 1]) {
      const source = from(Buffer.concat([OPENING, part(0, 'abc', flags)]));
      await source.read(Buffer.alloc(3));
      assert.equal(source.isFinal, flags === 1);
    }
  });
});

describe('LivingSink', () => {
  it('writes what LivingSource reads, and the flag once the final part may leave', async () => {
    const inner = new MemorySink();
    let isFinal = false;
    const id = newId();
    const sink = new LivingSink(inner, { id, isFinal: () => isFinal, result: () => 'heard' });
    assert.equal(inner.length, 0);
    const long = 'x'.repeat(70_000);
    await sink.write(Buffer.from('abc'));
    await sink.write(Buffer.from(long));
    const { length } = inner;
    isFinal = true;
    await sink.write(Buffer.from('def'));
    await sink.finish();
    await sink.conclude();
    const bytes = inner.bytes();
    assert.equal(await readAll(from(bytes)), `abc${long}def`);
    const source = from(bytes.subarray(0, length));
    await source.read(Buffer.alloc(3));
    assert.ok(!source.isFinal);
    assert.ok(
      bytes
        .subarray(length)
        .equals(Buffer.concat([part(70_003, 'def', 1), packet(PACKET.end, 70_006), packet(PACKET.heard, 0)])),
    );
  });

  it('says that it lives while nothing is written, and gives up without a result', async () => {
    const inner = new MemorySink();
    const sink = new LivingSink(inner, { id: newId(), isFinal: () => false, result: () => 'awaited' });
    await sink.write(Buffer.from('abc'));
    const { length } = inner;
    while (inner.length === length) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(inner.bytes().subarray(length).equals(packet(PACKET.alive, 0)));
    await sink.abort();
    assert.ok(inner.bytes().subarray(-24).equals(packet(PACKET.abort, 0)));
  });

  it('does not give up where the result is asked for', async () => {
    const inner = new MemorySink();
    const sink = new LivingSink(inner, { id: newId(), isFinal: () => true, result: () => 'lost' });
    await sink.write(Buffer.from('abc'));
    const { length } = inner;
    await sink.abort();
    assert.equal(inner.length, length);
  });
});
