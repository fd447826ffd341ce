// The four parts of a transfer, many times, over a link that stalls at random: xenopsd's own bytes must arrive exactly where
// xenopsd wrote them around the front's stream. RAMFERRY_TRANSFERS sets the number of transfers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { random } from '../../grammar/support/xen-streams.js';
import { guestStream } from '../support/guests.js';
import { LIVE, Stage, tinyGuest } from '../support/stage.js';
import { Stream } from '../../../lab/xapi/stream.js';
import { END_HEADER, header, LIBXC_HEADER } from '../../../lab/xapi/xenopsd.js';

const TIMES = Number(process.env['RAMFERRY_TRANSFERS'] ?? 20);
const QEMU_RECORD = 0x0f00;
const QEMU_DATA = Buffer.alloc(100_000, 'what qemu has saved ');
const GUESTS = [tinyGuest(), guestStream(1), guestStream(2)];

const stage = new Stage();
const { workshop } = stage;

/** Carries bytes in pieces of any size, with random stalls. */
async function relay(from: Stream, to: Stream, seed: number): Promise<void> {
  const next = random(seed);
  const piece = Buffer.alloc(65_536);
  for (;;) {
    const got = await from.source.read(piece.subarray(0, 1 + (next() % piece.length)));
    if (got === 0) break;
    if (next() % 8 === 0) await sleep(next() % 40);
    await to.sink.write(piece.subarray(0, got));
  }
  await to.end();
}

async function transfer(number: number): Promise<void> {
  const guest = GUESTS[number % GUESTS.length]!;
  const transport = number % 2 === 0 ? 'socket' : 'pipe';
  const [out, back] = [stage.stream(transport, true), stage.stream(transport, false)];
  out.narrow();
  const restored = workshop.file();
  const options = number % 5 === 0 ? ['--codec', 'none'] : [];
  const relaying = relay(out, back, number + 1);

  const saving = async (): Promise<void> => {
    const scenario = { memory: workshop.file(guest) };
    const xenopsd = stage.start({ mode: 'hvm_save', fd: out.fd, args: LIVE, scenario, options });
    await xenopsd.save(true);
    await xenopsd.writeToStream(header(QEMU_RECORD, QEMU_DATA.length));
    await xenopsd.writeToStream(QEMU_DATA);
    await xenopsd.writeToStream(END_HEADER);
    assert.equal(await xenopsd.status(), 0);
    fs.closeSync(out.fd);
  };
  const restoring = async (): Promise<void> => {
    const xenopsd = stage.start({ mode: 'hvm_restore', fd: back.fd, scenario: { memory: restored } });
    assert.deepEqual(await xenopsd.readFromStream(16), LIBXC_HEADER);
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    assert.deepEqual(await xenopsd.readFromStream(16), header(QEMU_RECORD, QEMU_DATA.length));
    assert.ok((await xenopsd.readFromStream(QEMU_DATA.length)).equals(QEMU_DATA));
    assert.deepEqual(await xenopsd.readFromStream(16), END_HEADER);
    assert.equal(await xenopsd.status(), 0);
    assert.ok(fs.readFileSync(restored).equals(guest));
    fs.closeSync(back.fd);
  };
  await Promise.all([saving(), restoring(), relaying]);
}

describe('EmuFront over a link that stalls at random', () => {
  it(`delivers the four parts of ${TIMES} transfers in order`, async () => {
    for (let number = 0; number < TIMES; number++) {
      await transfer(number).catch((thrown: unknown) => {
        throw new Error(`transfer ${number}`, { cause: thrown });
      });
    }
  });
});
