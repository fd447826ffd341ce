// The control messages as docs/FORMAT.md specifies them: reads every cell of the page's tables and tries it on the code, in memory. A row
// or column that this file does not know fails.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';

import {
  CONTROL_MAGIC,
  MAX_MESSAGE_BYTES,
  MESSAGE,
  PROBE_MAGIC,
  writeMessage,
} from '../../src/control/messages.js';
import {
  helloMessage,
  introductionMessage,
  placeMessage,
  resultMessage,
} from '../../src/control/negotiation.js';
import { END_RECORD_BYTES, STREAM_HEADER_BYTES } from '../../src/container/native.js';
import { checkSums, statedSums } from '../../src/container/sums.js';
import { type ErrorCode, RamferryError } from '../../src/errors.js';
import { HandoverProtocol } from '../../src/hypervisor/qemu/handover-protocol.js';
import { goMessage, readGo, type Saying, sayingBody } from '../../src/hypervisor/qemu/messages.js';
import { receive } from '../../src/transfer/receive.js';
import { ControlReader } from '../../src/control/channel.js';
import { converse } from '../../src/tune/probe/client.js';
import { json, loadBody, readLoad } from '../../src/tune/probe/messages.js';
import { attend } from '../../src/tune/probe/server.js';
import { isTyped } from '../chunk/typed.js';
import { image, workplace } from '../transfer/support/carry.js';
import { encodeStream, MemorySink, MemorySource } from '../transfer/support/memory-link.js';
import { HELLO, introduction } from '../transfer/support/peers.js';

const LIMIT = { timeout: 60_000 };
const place = workplace();
const page = readFileSync(join(import.meta.dirname, '../../../docs/FORMAT.md'), 'utf8');

interface Cell {
  readonly comes: string;
  readonly state: string;
  readonly becomes: string;
}

/** The cells of the first table behind this text. */
function cells(words: string): Cell[] {
  const at = page.indexOf(words);
  assert.ok(at > 0, `docs/FORMAT.md has no longer: ${words}`);
  const lines = page.slice(at).split('\n');
  const first = lines.findIndex((line) => line.startsWith('| comes'));
  const last = lines.findIndex((line, index) => index > first && !line.startsWith('|'));
  const rows = lines.slice(first, last).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((text) => text.trim()),
  );
  const [head, , ...body] = rows;
  return body.flatMap(([comes, ...outcomes]) =>
    outcomes.map((becomes, index) => ({ comes: comes!, state: head![index + 1]!, becomes })),
  );
}

function entry<T>(table: Readonly<Record<string, T>>, name: string): T {
  assert.ok(Object.hasOwn(table, name), `the test does not know "${name}"`);
  return table[name]!;
}

/** Checks a cell: `attempt` resolves when the message was accepted. */
async function check({ becomes }: Cell, attempt: () => Promise<unknown>): Promise<void> {
  if (becomes === 'accepted' || becomes === 'ignored') await attempt();
  else await assert.rejects(attempt(), isTyped(becomes as ErrorCode));
}

const SENT = { bytes: 77, chunks: 1, digest: 0xabcn };
const OK = resultMessage({ ok: true, ...statedSums(SENT) });
const FAILED = resultMessage({ ok: false, error: new RamferryError('ERR_OUTPUT_FULL', 'full').toData() });

function progress(bytes: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64LE(BigInt(bytes));
  return writeMessage(MESSAGE.progress, body);
}

function damaged(message: Buffer): Buffer {
  const copy = Buffer.from(message);
  copy[copy.length - 1]! ^= 1;
  return copy;
}

function tooLong(): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(MESSAGE.backward, 0);
  header.writeUInt32LE(MAX_MESSAGE_BYTES + 1, 4);
  return Buffer.concat([header, Buffer.alloc(MAX_MESSAGE_BYTES + 9)]);
}

const LOADED = json({ bytes: 1, seconds: 1, tailBytes: 1, tailSeconds: 1 });
const SPEED = json({ cpus: 1, decodePerByte: 1e-9, scaling: [{ threads: 1, speedup: 1 }] });

/** Messages by the names of the rows; a wrong body depends on the state. */
const MESSAGES: Readonly<Record<string, Buffer>> = {
  magic: CONTROL_MAGIC,
  hello: helloMessage({ ...HELLO, probe: [1] }),
  'result: ok': OK,
  'result: ok, other sums': resultMessage({ ok: true, ...statedSums({ ...SENT, bytes: 78 }) }),
  'result: failed': FAILED,
  progress: progress(5),
  backward: writeMessage(MESSAGE.backward, Buffer.from('return path')),
  go: writeMessage(MESSAGE.go, Buffer.alloc(0)),
  echo: writeMessage(MESSAGE.echo, Buffer.from([1])),
  load: writeMessage(MESSAGE.load, LOADED),
  speed: writeMessage(MESSAGE.speed, SPEED),
  place: placeMessage({ ahead: 2 }),
  introduction: introductionMessage({ software: 'test', name: 'web1' }),
  'an unknown type': writeMessage(99, Buffer.alloc(0)),
  'a wrong checksum': damaged(progress(5)),
  'too long a message': tooLong(),
  "the link's end": Buffer.alloc(0),
};

describe('sender', LIMIT, () => {
  const before: Readonly<Record<string, Buffer>> = {
    greeting: Buffer.alloc(0),
    hello: CONTROL_MAGIC,
    stream: introduction(),
    end: introduction(),
    over: Buffer.concat([introduction(), OK]),
  };
  const wrong: Readonly<Record<string, Buffer>> = {
    greeting: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    hello: writeMessage(MESSAGE.hello, Buffer.from('{"versions":"all"}')),
    stream: writeMessage(MESSAGE.progress, Buffer.alloc(7)),
    end: writeMessage(MESSAGE.result, Buffer.from('{"ok":1}')),
    over: writeMessage(MESSAGE.result, Buffer.from('{')),
  };
  /** What a valid receiver sends after an accepted message. */
  const after: Readonly<Record<string, Buffer>> = {
    greeting: Buffer.concat([helloMessage(HELLO), progress(70), OK]),
    hello: Buffer.concat([progress(70), OK]),
    stream: Buffer.concat([progress(70), OK]),
    end: OK,
    over: Buffer.alloc(0),
  };

  for (const cell of cells('The sender. _greeting_')) {
    const { comes, state, becomes } = cell;
    it(`${state}: ${comes}: ${becomes}`, async () => {
      const what = comes === 'a wrong body' ? entry(wrong, state) : entry(MESSAGES, comes);
      const rest = becomes === 'accepted' && what !== OK ? entry(after, state) : Buffer.alloc(0);
      const bytes = Buffer.concat([entry(before, state), what, rest]);
      for (const piece of [1, Infinity]) {
        const reader = new ControlReader(new MemorySource(bytes, piece), () => Promise.resolve());
        // The sender is before the end until the receiver has acknowledged 70 bytes.
        const ended = state === 'end' || state === 'over';
        reader.acceptSuccessWhen(() => ended || reader.delivered === 70);
        await check(cell, async () => checkSums(await reader.success(), SENT));
        if (bytes.length > 1000) break;
      }
    });
  }
});

describe('ControlReader.state', LIMIT, () => {
  it('takes the names of the table, in their order', async () => {
    const states: string[] = [];
    const bytes = Buffer.concat([introduction(), progress(5), progress(70), OK]);
    const reader = new ControlReader(new MemorySource(bytes, 1), () => Promise.resolve());
    reader.acceptSuccessWhen(() => reader.delivered === 70);
    states.push(reader.state);
    reader.onDelivered(() => states.push(reader.state));
    await reader.success();
    states.push(reader.state);
    assert.deepEqual(states, ['greeting', 'stream', 'end', 'over']);
  });

  it('is hello once the magic was heard', async () => {
    const reader = new ControlReader(new MemorySource(CONTROL_MAGIC), () => Promise.resolve());
    await assert.rejects(reader.hello());
    assert.equal(reader.state, 'hello');
  });
});

describe('receiver of a stream', LIMIT, async () => {
  const stream = await encodeStream(image(8192));
  const header = stream.subarray(0, STREAM_HEADER_BYTES);
  const chunk = stream.subarray(STREAM_HEADER_BYTES, -END_RECORD_BYTES);
  const end = stream.subarray(-END_RECORD_BYTES);
  const what: Readonly<Record<string, Buffer>> = {
    "a stream's header": header,
    'a chunk record': chunk,
    'the END record': end,
    "the probe's magic": PROBE_MAGIC,
    'a message': goMessage(),
    "the link's end": Buffer.alloc(0),
  };
  const before: Readonly<Record<string, Buffer>> = {
    beginning: Buffer.alloc(0),
    stream: header,
    end: stream,
  };
  for (const cell of cells('The receiver of a stream. _beginning_')) {
    const { comes, state, becomes } = cell;
    it(`${state}: ${comes}: ${becomes}`, async () => {
      const something = entry(what, comes);
      const parts = [entry(before, state), something];
      if (something === end && state === 'stream') parts.splice(1, 0, chunk);
      if (becomes === 'accepted' && something === header) parts.push(chunk, end);
      if (becomes === 'accepted' && something === chunk) parts.push(end);
      await check(cell, () =>
        receive({
          input: Readable.from([Buffer.concat(parts)]),
          output: place.path('restored'),
          decompressThreads: 1,
        }),
      );
    });
  }
});

describe('source of ramferry migrate', LIMIT, () => {
  const states = ['rounds', 'applying', 'loading', 'gone'];
  const answers = ['ram-applied', 'ready', 'running'] as const;
  const sayings: Readonly<Record<string, Saying>> = {
    'ram-applied': { say: 'ram-applied' },
    ready: { say: 'ready' },
    running: { say: 'running' },
    refused: { say: 'refused', reason: 'so' },
    unknown: { say: 'unknown', reason: 'so' },
  };
  for (const cell of cells('_rounds_: until RAM end leaves')) {
    const { comes, state, becomes } = cell;
    it(`${state}: ${comes}: ${becomes}`, async () => {
      const protocol = new HandoverProtocol();
      const reached = states.indexOf(state);
      assert.ok(reached >= 0, state);
      for (let index = 0; index < reached; index++) {
        protocol.expect(answers[index]!);
        if (index < reached - 1) protocol.hear(sayingBody({ say: answers[index]! }));
      }
      const body =
        comes === 'anything else' ? Buffer.from('{"say":"hm"}') : sayingBody(entry(sayings, comes));
      await check(cell, async () => {
        protocol.hear(body);
        await protocol.await([answers[Math.max(0, reached - 1)]!], 1000, 'that');
      });
    });
  }
});

describe('ramferry incoming behind END', LIMIT, () => {
  const go = goMessage();
  const what: Readonly<Record<string, Buffer>> = {
    go,
    'another message': writeMessage(MESSAGE.echo, Buffer.alloc(0)),
    'other bytes': Buffer.alloc(200, 7),
    'a piece of go': go.subarray(0, -1),
    "the link's end": Buffer.alloc(0),
  };
  for (const cell of cells('`ramferry incoming` behind END:')) {
    it(`${cell.comes}: ${cell.becomes}`, async () => {
      for (const piece of [1, Infinity]) {
        await check(cell, () => readGo(new MemorySource(entry(what, cell.comes), piece)));
      }
    });
  }
});

describe('probe, asking side', LIMIT, () => {
  const greeting = introduction({ probe: [1] });
  const echoes = Buffer.concat(
    Array.from({ length: 10 }, (_, count) => writeMessage(MESSAGE.echo, Buffer.from([count]))),
  );
  const { load, speed } = MESSAGES as Readonly<Record<'load' | 'speed', Buffer>>;
  const order = [echoes, load, speed, OK];
  const states = ['echo', 'load', 'speed', 'result'];
  const wrong: Readonly<Record<string, Buffer>> = {
    echo: writeMessage(MESSAGE.echo, Buffer.from('another body')),
    load: writeMessage(MESSAGE.load, Buffer.from('{"bytes":-1}')),
    speed: writeMessage(MESSAGE.speed, Buffer.from('{}')),
    result: writeMessage(MESSAGE.result, Buffer.from('{}')),
  };
  for (const cell of cells('The side of the probe that asks')) {
    const { comes, state, becomes } = cell;
    it(`${state}: ${comes}: ${becomes}`, async () => {
      const reached = states.indexOf(state);
      assert.ok(reached >= 0, state);
      const what = comes === 'a wrong body' ? entry(wrong, state) : entry(MESSAGES, comes);
      const accepted = becomes === 'accepted' ? order.slice(reached) : [what];
      const bytes = Buffer.concat([greeting, ...order.slice(0, reached), ...accepted]);
      await check(cell, () => converse(new MemorySource(bytes), new MemorySink()));
    });
  }
});

describe('probe, answering side', LIMIT, () => {
  const question = writeMessage(MESSAGE.load, loadBody(1000));
  assert.equal(readLoad(loadBody(1000)), 1000);
  const questions: Readonly<Record<string, Buffer>> = {
    ...MESSAGES,
    magic: PROBE_MAGIC,
    load: Buffer.concat([question, Buffer.alloc(1000)]),
    'load, cut short': Buffer.concat([question, Buffer.alloc(999)]),
    speed: writeMessage(MESSAGE.speed, Buffer.alloc(0)),
    'a wrong body': writeMessage(MESSAGE.load, loadBody(2 ** 40 + 1)),
  };
  const before: Readonly<Record<string, Buffer>> = { greeting: Buffer.alloc(0), question: PROBE_MAGIC };
  for (const cell of cells('The side of the probe that answers')) {
    const { comes, state, becomes } = cell;
    it(`${state}: ${comes}: ${becomes}`, async () => {
      const bytes = Buffer.concat([entry(before, state), entry(questions, comes)]);
      const sink = new MemorySink();
      await check(cell, () => attend(new MemorySource(bytes), sink));
      assert.ok(sink.bytes().includes(becomes === 'accepted' ? '"ok":true' : '"ok":false'));
    });
  }
});
