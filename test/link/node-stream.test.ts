// Node.js streams as input and output of a transfer, as in a program that embeds ramferry.

import assert from 'node:assert/strict';
import { Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';

import { RamferryError } from '../../src/errors.js';
import { generateImage } from '../../src/image/image.js';
import { receive, send } from '../../src/index.js';
import { readFrom, writeTo } from '../../src/link/node-stream.js';

const IMAGE = Buffer.concat([...generateImage({ bytes: 5 * 1024 * 1024, seed: 3, profile: 'busy' })]);

/** The same bytes in pieces of this size. */
function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const code = (expected: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof RamferryError, String(thrown));
  assert.equal(thrown.code, expected);
  return true;
};

describe('transfer between Node streams', () => {
  for (const size of [4096, 65_537, IMAGE.length]) {
    it(`restores the bytes, in pieces of ${size}`, async () => {
      const link = new PassThrough();
      const output = new PassThrough();
      const restored = buffer(output);
      const [sent, received] = await Promise.all([
        send({ input: Readable.from(pieces(IMAGE, size)), output: link, compressThreads: 2 }),
        receive({ input: link, output, decompressThreads: 2 }),
      ]);
      assert.equal(sent.status, 'completed');
      assert.equal(received.ram.total, IMAGE.length);
      assert.ok((await restored).equals(IMAGE));
      assert.ok(sent.ram.transferred < IMAGE.length / 2);
    });
  }

  it("fails with the input's error and destroys the output, input fails", async () => {
    const output = new PassThrough();
    output.on('error', () => undefined);
    const input = Readable.from(
      (function* () {
        yield IMAGE.subarray(0, 100_000);
        throw new Error('the guest is gone');
      })(),
    );
    await assert.rejects(send({ input, output }), code('ERR_INPUT_READ'));
    assert.ok(output.destroyed);
  });

  it("fails with the output's error and destroys the input, output fails", async () => {
    const input = Readable.from(pieces(IMAGE, 4096));
    const output = new Writable({ write: (_piece, _encoding, done) => done(new Error('the disk is gone')) });
    await assert.rejects(send({ input, output }), code('ERR_OUTPUT_WRITE'));
    assert.ok(input.destroyed);
  });

  it('fails, output destroyed while it is full', async () => {
    const output = new Writable({ write: () => undefined });
    const sending = send({ input: Readable.from(pieces(IMAGE, 65_536)), output });
    setImmediate(() => output.destroy());
    await assert.rejects(sending, code('ERR_OUTPUT_WRITE'));
  });

  it('refuses a value that is neither an address nor a stream', async () => {
    await assert.rejects(send({ input: 5 as unknown as string, output: '-' }), code('ERR_OPTION_INVALID'));
    await assert.rejects(send({ input: '', output: '-' }), code('ERR_OPTION_INVALID'));
    const text = Readable.from(['text']);
    await assert.rejects(send({ input: text, output: new PassThrough() }), code('ERR_INPUT_READ'));
  });
});

describe('Node stream as a link', () => {
  it('leaves unrequested bytes in the stream', async () => {
    const stream = Readable.from([Buffer.from('0123456789')], { objectMode: false });
    const { source } = readFrom(stream, undefined);
    const target = Buffer.alloc(4);
    assert.equal(await source!.read(target), 4);
    assert.equal(target.toString(), '0123');
    assert.equal((stream.read() as Buffer).toString(), '456789');
  });

  it('copies the written bytes, memory reused', async () => {
    const stream = new PassThrough();
    const { sink } = writeTo(stream, undefined);
    const memory = Buffer.from('first');
    await sink!.write(memory);
    memory.write('xxxxx');
    assert.equal((stream.read() as Buffer).toString(), 'first');
    await sink!.abort();
  });

  it('rejects a pending read, link closed', async () => {
    const { source } = readFrom(new Duplex({ read: () => undefined }), undefined);
    const reading = source!.read(Buffer.alloc(1));
    await source!.close();
    await assert.rejects(reading, code('ERR_LINK_CLOSED'));
  });
});
