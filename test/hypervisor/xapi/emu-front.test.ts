// The front between stand-ins for xenopsd and emu-manager: transfers that succeed. The rules are those of docs/XAPI.md.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { Collector } from '../../../lab/xapi/collector.js';
import { guestStream, newerStream, realSkip, realStream, resentStream } from '../support/guests.js';
import { type BegunSave, LIVE, SMALL, Stage, tinyGuest } from '../support/stage.js';
import { TRANSPORTS } from '../../../lab/xapi/stream.js';
import { END_HEADER, LIBXC_HEADER, offsetOf, STREAM } from '../../../lab/xapi/xenopsd.js';

const stage = new Stage();
const { workshop } = stage;

for (const transport of TRANSPORTS) {
  describe(`EmuFront over a ${transport}`, () => {
    // Only a suspended guest is written to a disk.
    const live = transport !== 'file';

    it('delivers the identical stream in fewer bytes, with xenopsd’s headers in place', async () => {
      const { wire, xenopsd } = await stage.save(SMALL, { transport, live });
      assert.ok(wire.length < SMALL.length / 2);
      assert.ok(wire.subarray(0, 16).equals(LIBXC_HEADER));
      assert.ok(wire.subarray(-16).equals(END_HEADER));
      const progress = 'info:\\b\\b\\b\\b50';
      const conversation = live
        ? ['prepare:xenguest', progress, 'suspend:', 'result:0 0']
        : ['suspend:', 'prepare:xenguest', progress, 'result:0 0'];
      assert.deepEqual(xenopsd.heard, conversation);
      assert.equal(xenopsd.noted('arg -compress').length, 0);
      assert.ok((await stage.restore(wire, transport)).equals(SMALL));
    });

    it('reads no byte before restore:xenguest and none behind END', async () => {
      // The stream fits the kernel's buffers, so a byte read too many would show.
      const { wire } = await stage.save(tinyGuest());
      assert.ok(wire.length < 60_000);
      const behind = Buffer.concat([END_HEADER, Buffer.from('and what follows')]);
      const all = Buffer.concat([wire.subarray(0, -16), behind]);
      const { xenopsd, stream, restored, feeding } = await stage.beginRestore(all, { transport });
      await feeding;
      await xenopsd.until('pid');
      /** The bytes that xenopsd would read next. */
      const left = (): number => (transport === 'file' ? all.length - offsetOf(stream.fd) : stream.waiting);
      assert.equal(left(), all.length - 16);
      await xenopsd.say('restore:xenguest');
      await xenopsd.expect('result:xenguest 3 4');
      assert.equal(left(), behind.length);
      assert.ok((await xenopsd.readFromStream(behind.length)).equals(behind));
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      assert.ok(fs.readFileSync(restored).equals(tinyGuest()));
      stream.close();
    });

    it('completes while xenguest keeps its descriptor open behind END', async () => {
      const scenario = { memory: workshop.file(SMALL), lingers: true };
      const { xenopsd, stream, arrivals } = await stage.beginSave(transport, scenario);
      await xenopsd.expect('suspend:');
      await xenopsd.say('done');
      await xenopsd.expect('result:0 0');
      assert.equal(xenopsd.noted('gone').length, 0);
      await xenopsd.say('leave');
      assert.equal(await xenopsd.status(), 0);
      stream.close();
      await arrivals.close();
    });

    it('leaves a save without -compress to the real emu-manager', async () => {
      const { wire, xenopsd } = await stage.save(SMALL, { transport, args: ['-live', 'true'] });
      assert.ok(wire.equals(Buffer.concat([LIBXC_HEADER, SMALL, END_HEADER])));
      const words = xenopsd.noted('arg ');
      assert.equal(words[words.indexOf('arg -fd') + 1], `arg ${STREAM}`);
    });
  });
}

for (const transport of ['socket', 'pipe'] as const) {
  describe(`EmuFront over a slow ${transport}`, () => {
    it('holds the result until the kernel has every byte up to END', async () => {
      // The front takes the whole stream from xenguest, the link only a part.
      const guest = guestStream(2);
      const stream = stage.stream(transport, true);
      stream.narrow();
      const collector = new Collector(stream.source, { piece: 10_000 });
      collector.pause();
      const xenopsd = stage.start({
        mode: 'save',
        fd: stream.fd,
        args: LIVE,
        scenario: { memory: workshop.file(guest), chatter: 'info:all written' },
        options: ['--codec', 'none'],
      });
      await xenopsd.expect('prepare:xenguest');
      await xenopsd.writeToStream(LIBXC_HEADER);
      await xenopsd.say('done');
      await xenopsd.expect('suspend:');
      await xenopsd.say('done');
      await xenopsd.expect('info:all written');
      collector.resume();
      await xenopsd.expect('result:0 0');
      const delivered = collector.length + stream.waiting;
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      fs.closeSync(stream.fd);
      await collector.ended;
      assert.equal(delivered, collector.length);
    });
  });
}

describe('EmuFront: streams without compressed records', () => {
  for (const [name, guest] of [
    ['an uncompressed one', SMALL],
    ['one with records of a newer xenguest', newerStream()],
  ] as const) {
    it(`passes them through: ${name}`, async () => {
      const wire = Buffer.concat([LIBXC_HEADER, guest, END_HEADER]);
      assert.ok((await stage.restore(wire)).equals(guest));
    });
  }

  it('refuses a stream with an unknown end, and stops to read it', async () => {
    const unknown = Buffer.from(SMALL);
    unknown.writeUInt32BE(4, 12); // a version that does not exist yet
    const { xenopsd, stream } = await stage.beginRestore(Buffer.concat([LIBXC_HEADER, unknown]));
    await xenopsd.say('restore:xenguest');
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_STREAM_FORMAT: .*version 4/);
    assert.equal(await xenopsd.status(), 2);
    stream.close();
  });
});

describe('EmuFront: the stream of a real guest', { skip: realSkip }, () => {
  it('arrives unchanged', async () => {
    const guest = await realStream();
    const { wire } = await stage.save(guest);
    assert.ok(wire.length < guest.length / 3);
    assert.ok((await stage.restore(wire)).equals(guest));
  });
});

describe('EmuFront: page store', () => {
  const guest = resentStream(512);
  const withStore = ['--xbzrle-cache-size', '4MiB'];

  it('sends repeated pages whole by default, and as differences with a page store', async () => {
    const plain = await stage.save(guest);
    const stored = await stage.save(guest, { options: withStore });
    assert.ok(plain.wire.length > guest.length * 0.9, `${plain.wire.length} of ${guest.length} bytes`);
    assert.ok(stored.wire.length < guest.length * 0.45, `${stored.wire.length} of ${guest.length} bytes`);
    assert.ok((await stage.restore(stored.wire)).equals(guest));
  });

  it('fails at once where the other host has no memory for the store', async () => {
    const { wire } = await stage.save(guest, { options: ['--xbzrle-cache-size', '64MiB'] });
    const options = ['--memory-limit', '150MiB'];
    const { xenopsd, stream } = await stage.beginRestore(wire, { options });
    await xenopsd.say('restore:xenguest');
    assert.equal(await xenopsd.status(), 2);
    assert.match(xenopsd.heard.at(-1)!, /^error:ramferry: ERR_STREAM_LIMIT: .*the memory limit is 150/);
    stream.close();
  });
});

describe('EmuFront with a regular file', () => {
  it('appends in order, and leaves the shared offset directly behind END after reading', async () => {
    const file = workshop.file(Buffer.from('before '));
    const appending = fs.openSync(file, 'a');
    const scenario = { memory: workshop.file(SMALL) };
    const source = stage.start({ mode: 'save', fd: appending, args: ['-compress', 'true'], scenario });
    await source.save(false);
    await source.writeToStream(END_HEADER);
    assert.equal(await source.status(), 0);
    source.checkFlags();
    fs.closeSync(appending);
    const image = fs.readFileSync(file);
    assert.equal(image.subarray(0, 7).toString(), 'before ');
    assert.ok(image.subarray(7, 23).equals(LIBXC_HEADER));
    assert.ok(image.subarray(-16).equals(END_HEADER));

    const reading = fs.openSync(file, 'r');
    fs.readSync(reading, Buffer.alloc(7));
    const restored = workshop.file();
    const xenopsd = stage.start({ mode: 'restore', fd: reading, scenario: { memory: restored } });
    assert.ok((await xenopsd.readFromStream(16)).equals(LIBXC_HEADER));
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    assert.equal(offsetOf(reading), image.length - 16);
    assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
    assert.equal(await xenopsd.status(), 0);
    xenopsd.checkFlags();
    assert.ok(fs.readFileSync(restored).equals(SMALL));
    fs.closeSync(reading);
  });
});

describe('several fronts', () => {
  it('work independently, also when one of them is killed', async () => {
    const guest = guestStream(4);
    const memory = workshop.file(guest);
    const begin = (): Promise<BegunSave> => stage.beginSave('socket', { memory }, ['--host-threads', '1']);
    const victim = await begin();
    const others = await Promise.all([begin(), begin()]);
    victim.xenopsd.process.kill('SIGKILL');
    await victim.xenopsd.ended;
    for (const { xenopsd, stream, arrivals } of others) {
      await xenopsd.expect('suspend:');
      await xenopsd.say('done');
      await xenopsd.expect('result:0 0');
      await xenopsd.writeToStream(END_HEADER);
      assert.equal(await xenopsd.status(), 0);
      fs.closeSync(stream.fd);
      await arrivals.ended;
      const restored = await stage.restore(Buffer.concat([LIBXC_HEADER, arrivals.bytes()]));
      assert.ok(restored.equals(guest));
    }
    victim.stream.close();
    await victim.arrivals.close();
  });
});

describe('emuManager without a front', () => {
  it('ends with the real emu-manager’s exit status', async () => {
    const stream = stage.stream('socket', true);
    const scenario = { memory: workshop.file(SMALL), failAt: 1 };
    const xenopsd = stage.start({ mode: 'save', fd: stream.fd, args: ['-live', 'true'], scenario });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await xenopsd.expect('error:error code -5');
    assert.equal(await xenopsd.status(), 2);
    stream.close();
  });
});
