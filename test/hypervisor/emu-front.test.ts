// The front between a stand-in for xenopsd and one for emu-manager: the rules of docs/XAPI.md, one by one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { libc } from '../../src/io/libc.js';
import { Collector, feed } from './support/far.js';
import { guestStream, newerStream, realSkip, realStream } from './support/guests.js';
import {
  DEMU_HEADER,
  END_HEADER,
  farEnd,
  type FrontOptions,
  LIBXC_HEADER,
  offsetOf,
  openStream,
  STREAM,
  type Stream,
  type Transport,
  Workshop,
  Xenopsd,
} from './support/xenopsd.js';

const workshop = new Workshop();
after(() => workshop.remove());

const SMALL = guestStream(3);
/** More than the kernel and the front can hold. */
const BIG = guestStream(16);
const LIVE = ['-live', 'true', '-compress', 'true'];

const unread = (fd: number): number => libc()?.unread(fd) ?? 0;

function start(options: Omit<FrontOptions, 'workshop'>): Xenopsd {
  return new Xenopsd({ workshop, ...options });
}

/** Lines that end a conversation. */
function endings(xenopsd: Xenopsd): string[] {
  return xenopsd.heard.filter((line) => line.startsWith('result:') || line.startsWith('error:'));
}

interface Saved {
  readonly wire: Buffer;
  readonly xenopsd: Xenopsd;
}

/** A whole compressed save; the wire holds what the network carried, xenopsd's headers included. */
async function save(
  guest: Buffer,
  options: { transport?: Transport; live?: boolean; vgpu?: Buffer; options?: string[] } = {},
): Promise<Saved> {
  const { transport = 'socket', live = options.vgpu === undefined, vgpu } = options;
  const stream = openStream(transport, true);
  const far = new Collector(farEnd(stream, transport).source);
  const args = live ? LIVE : ['-compress', 'true'];
  if (vgpu !== undefined) args.push('-dm', `vgpu:${STREAM}`);
  const xenopsd = start({
    mode: 'hvm_save',
    fd: stream.fd,
    args,
    scenario: {
      memory: workshop.file(guest),
      ...(vgpu === undefined ? {} : { vgpu: workshop.file(vgpu) }),
    },
    ...(options.options === undefined ? {} : { options: options.options }),
  });
  await xenopsd.save(live, vgpu !== undefined);
  await xenopsd.writeToStream(END_HEADER);
  assert.equal(await xenopsd.status(), 0);
  fs.closeSync(stream.fd);
  await far.ended;
  return { wire: far.bytes(), xenopsd };
}

let smallSaved: Promise<Saved> | undefined;

/** What a save of SMALL left on the wire; made once. */
async function smallWire(): Promise<Buffer> {
  return (await (smallSaved ??= save(SMALL))).wire;
}

/** A restore up to the moment when xenopsd has read its first header. */
async function beginRestore(
  wire: Buffer,
  options: { transport?: Transport; scenario?: FrontOptions['scenario'] } = {},
): Promise<{
  xenopsd: Xenopsd;
  stream: Stream;
  restored: string;
  feeding: Promise<void>;
  end: () => Promise<void>;
}> {
  const { transport = 'socket' } = options;
  const stream = openStream(transport, false);
  const restored = workshop.file();
  const scenario = { memory: restored, ...options.scenario };
  const xenopsd = start({ mode: 'hvm_restore', fd: stream.fd, scenario });
  const { sink } = farEnd(stream, transport);
  const feeding = feed(sink, wire);
  assert.ok((await xenopsd.readFromStream(16)).equals(LIBXC_HEADER));
  return { xenopsd, stream, restored, feeding, end: () => sink.finish() };
}

for (const transport of ['socket', 'pipe'] as const) {
  describe(`a live migration over a ${transport}`, () => {
    it('brings the identical stream, smaller, with xenopsd’s headers where they belong', async () => {
      const { wire, xenopsd: source } = await save(SMALL, { transport });
      assert.ok(wire.length < SMALL.length / 2);
      assert.ok(wire.subarray(0, 16).equals(LIBXC_HEADER));
      assert.ok(wire.subarray(-16).equals(END_HEADER));
      assert.deepEqual(source.heard, ['prepare:xenguest', 'info:\\b\\b\\b\\b50', 'suspend:', 'result:0 0']);
      assert.equal(source.noted('arg -compress').length, 0);

      const { xenopsd, stream, restored } = await beginRestore(wire, { transport });
      await xenopsd.say('restore:xenguest');
      await xenopsd.expect('result:xenguest 3 4');
      xenopsd.checkFlags();
      assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      assert.ok(fs.readFileSync(restored).equals(SMALL));
      fs.closeSync(stream.fd);
    });
  });

  describe(`a save over a ${transport}`, () => {
    it('holds the result back until every byte up to END is with the kernel', async () => {
      // So much that emu-manager can finish while the link has taken only a part.
      const guest = guestStream(4);
      const stream = openStream(transport, true);
      const far = farEnd(stream, transport);
      const collector = new Collector(far.source, { piece: 10_000 });
      collector.pause();
      const memory = workshop.file(guest);
      const xenopsd = start({
        mode: 'save',
        fd: stream.fd,
        args: LIVE,
        scenario: { memory, chatter: 'info:all written' },
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
      const delivered = collector.length + unread(stream.far);
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      fs.closeSync(stream.fd);
      await collector.ended;
      assert.equal(delivered, collector.length);
    });

    it('is given up at once by an abort while the link takes nothing', async () => {
      const stream = openStream(transport, true);
      const far = farEnd(stream, transport);
      const memory = workshop.file(BIG);
      const options = ['--codec', 'none'];
      const xenopsd = start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario: { memory }, options });
      await xenopsd.expect('prepare:xenguest');
      await xenopsd.say('done');
      while (unread(stream.far) < 60_000) await new Promise((resolve) => setTimeout(resolve, 10));
      await xenopsd.say('abort');
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      assert.deepEqual(endings(xenopsd), []);
      assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
      assert.deepEqual(xenopsd.noted('emulator had'), []);
      await far.source.close();
      fs.closeSync(stream.fd);
    });
  });

  describe(`a restore over a ${transport}`, () => {
    it('reads nothing before restore:xenguest and nothing behind END', async () => {
      // What fits the kernel's buffers at once, so that a byte read too many would be seen.
      const small = await save(tinyGuest());
      assert.ok(small.wire.length < 60_000);
      const rest = Buffer.concat([small.wire.subarray(16), Buffer.from('and what follows')]);
      const { xenopsd, stream, restored, feeding } = await beginRestore(Buffer.concat([LIBXC_HEADER, rest]), {
        transport,
      });
      await feeding;
      while (xenopsd.noted('ppid').length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.equal(unread(stream.fd), rest.length);
      await xenopsd.say('restore:xenguest');
      await xenopsd.expect('result:xenguest 3 4');
      const behind = Buffer.concat([END_HEADER, Buffer.from('and what follows')]);
      assert.equal(unread(stream.fd), behind.length);
      assert.ok((await xenopsd.readFromStream(behind.length)).equals(behind));
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      assert.ok(fs.readFileSync(restored).equals(tinyGuest()));
      fs.closeSync(stream.fd);
    });

    it('is given up at once by an abort while nothing comes', async () => {
      const { xenopsd, stream } = await beginRestore(Buffer.concat([LIBXC_HEADER, SMALL.subarray(0, 5000)]), {
        transport,
      });
      await xenopsd.say('restore:xenguest');
      await xenopsd.say('abort');
      assert.equal(await xenopsd.status(), 0);
      xenopsd.checkFlags();
      assert.deepEqual(xenopsd.heard, []);
      fs.closeSync(stream.fd);
    });
  });
}

/** A guest whose whole stream fits a socket's buffer even as it is. */
function tinyGuest(): Buffer {
  const guest = guestStream(1);
  // One PAGE_DATA record of 40 pages, and what stands behind the pages.
  const head = guest.subarray(0, 24 + 16 + 8 + 48 + 8);
  const second = guest.length - (8 + 24 + 8 + 2504 + 8) - (8 + 8 + 40 * (8 + 4096));
  return Buffer.concat([head, guest.subarray(second)]);
}

describe('a stream that nobody compressed for us', () => {
  for (const [name, guest] of [
    ['an uncompressed one', SMALL],
    ['one with records of a newer xenguest', newerStream()],
  ] as const) {
    it(`passes through: ${name}`, async () => {
      const wire = Buffer.concat([LIBXC_HEADER, guest, END_HEADER]);
      const { xenopsd, stream, restored } = await beginRestore(wire);
      await xenopsd.say('restore:xenguest');
      await xenopsd.expect('result:xenguest 3 4');
      assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
      assert.equal(await xenopsd.status(), 0);
      assert.ok(fs.readFileSync(restored).equals(guest));
      fs.closeSync(stream.fd);
    });
  }

  it('is refused when its end cannot be told, and not read any further', async () => {
    const unknown = Buffer.from(SMALL);
    unknown.writeUInt32BE(4, 12); // a version that does not exist yet
    const { xenopsd, stream } = await beginRestore(Buffer.concat([LIBXC_HEADER, unknown]));
    await xenopsd.say('restore:xenguest');
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_STREAM_FORMAT: .*version 4/);
    assert.equal(await xenopsd.status(), 2);
    fs.closeSync(stream.fd);
  });
});

describe('a migration of a real guest', { skip: realSkip }, () => {
  it('arrives as it was', async () => {
    const guest = await realStream();
    const { wire } = await save(guest);
    assert.ok(wire.length < guest.length / 3);
    const { xenopsd, stream, restored } = await beginRestore(wire);
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
    assert.equal(await xenopsd.status(), 0);
    assert.ok(fs.readFileSync(restored).equals(guest));
    fs.closeSync(stream.fd);
  });
});

describe('a regular file', () => {
  it('is appended to in order, and read so that the shared offset ends right behind END', async () => {
    const file = workshop.file(Buffer.from('before '));
    const appending = fs.openSync(file, 'a');
    const source = start({
      mode: 'hvm_save',
      fd: appending,
      args: ['-compress', 'true'],
      scenario: { memory: workshop.file(SMALL) },
    });
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
    const xenopsd = start({ mode: 'hvm_restore', fd: reading, scenario: { memory: restored } });
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

describe('xenguest', () => {
  it('may keep its descriptor open behind END for as long as it likes', async () => {
    const stream = openStream('socket', true);
    const far = new Collector(farEnd(stream, 'socket').source);
    const scenario = { memory: workshop.file(SMALL), linger: 500 };
    const xenopsd = start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario });
    await xenopsd.save(true);
    assert.equal(xenopsd.process.exitCode, null);
    assert.equal(await xenopsd.status(), 0);
    fs.closeSync(stream.fd);
    await far.ended;
  });

  for (const [what, scenario, pattern] of [
    ['said to be finished without its END record', { early: true }, /ERR_INPUT_TRUNCATED/],
    ['that writes behind its END record', { surplus: 100 }, /ERR_INPUT_UNKNOWN: .*100 bytes behind/],
  ] as const) {
    it(`${what} makes the save fail`, async () => {
      const stream = openStream('socket', true);
      const far = new Collector(farEnd(stream, 'socket').source);
      const full = { memory: workshop.file(SMALL), ...scenario };
      const xenopsd = start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario: full });
      await xenopsd.expect('prepare:xenguest');
      await xenopsd.say('done');
      await xenopsd.expect('suspend:');
      await xenopsd.say('done');
      assert.match((await xenopsd.hearNews()) ?? '', pattern);
      assert.equal(await xenopsd.status(), 2);
      assert.equal(await xenopsd.hear(), undefined);
      fs.closeSync(stream.fd);
      await far.ended;
    });
  }

  it('that stops reading does not keep an abort from ending the restore', async () => {
    const wire = Buffer.concat([LIBXC_HEADER, BIG, END_HEADER]);
    const { xenopsd, stream } = await beginRestore(wire, { scenario: { stallAt: 100_000 } });
    await xenopsd.say('restore:xenguest');
    while (xenopsd.noted('command restore').length === 0)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await xenopsd.say('abort');
    assert.equal(await xenopsd.status(), 0);
    assert.deepEqual(xenopsd.heard, []);
    xenopsd.checkFlags();
    fs.closeSync(stream.fd);
  });
});

describe('the control channel', () => {
  for (const mode of ['hvm_save', 'hvm_restore'] as const) {
    it(`ends a ${mode} by its end, without a word`, async () => {
      const saving = mode === 'hvm_save';
      const stream = openStream('socket', saving);
      const far = farEnd(stream, 'socket');
      const memory = saving ? workshop.file(BIG) : workshop.file();
      const xenopsd = start({ mode, fd: stream.fd, args: LIVE, scenario: { memory } });
      if (saving) {
        await xenopsd.expect('prepare:xenguest');
        await xenopsd.say('done');
      } else {
        await xenopsd.say('restore:xenguest');
      }
      await xenopsd.hangUp();
      assert.equal(await xenopsd.status(), 0);
      assert.deepEqual(endings(xenopsd), []);
      // The front does not wait longer for it than a moment.
      while (xenopsd.noted('command-eof').length === 0)
        await new Promise((resolve) => setTimeout(resolve, 10));
      xenopsd.checkFlags();
      fs.closeSync(stream.fd);
      await far.source.close();
    });
  }
});

describe('a real emu-manager', () => {
  for (const [what, accident, expected] of [
    [
      'that dies',
      { dieAt: 1_000_000 },
      /^error:ramferry: ERR_LINK_COMMAND: emu-manager was ended by SIGKILL/,
    ],
    ['that fails', { failAt: 1_000_000 }, /^error:error code -5$/],
  ] as const) {
    for (const mode of ['hvm_save', 'hvm_restore'] as const) {
      it(`${what} ends the ${mode} with status 2 and one line`, async () => {
        const saving = mode === 'hvm_save';
        const stream = openStream('socket', saving);
        const far = farEnd(stream, 'socket');
        const collector = saving ? new Collector(far.source) : undefined;
        const memory = saving ? workshop.file(BIG) : workshop.file();
        const xenopsd = start({ mode, fd: stream.fd, args: LIVE, scenario: { memory, ...accident } });
        if (saving) {
          await xenopsd.expect('prepare:xenguest');
          await xenopsd.say('done');
        } else {
          void feed(far.sink, BIG);
          await xenopsd.say('restore:xenguest');
        }
        assert.match((await xenopsd.hear()) ?? '', expected);
        assert.equal(await xenopsd.status(), 2);
        assert.equal(await xenopsd.hear(), undefined);
        xenopsd.checkFlags();
        fs.closeSync(stream.fd);
        await (collector?.close() ?? far.source.close());
      });
    }
  }

  it('that cannot be started is an error line and status 1', async () => {
    const stream = openStream('socket', true);
    const nowhere = new Workshop();
    fs.rmSync(nowhere.emuManager);
    const xenopsd = new Xenopsd({ workshop: nowhere, mode: 'save', fd: stream.fd, args: LIVE, scenario: {} });
    assert.match(
      (await xenopsd.hear()) ?? '',
      /^error:ramferry: ERR_LINK_COMMAND: emu-manager could not be started/,
    );
    assert.equal(await xenopsd.status(), 1);
    nowhere.remove();
    fs.closeSync(stream.fd);
    fs.closeSync(stream.far);
  });
});

describe('a failure of our own', () => {
  it('in a save: the link dies; the real one is aborted, xenopsd hears one line', async () => {
    const stream = openStream('socket', true);
    const far = farEnd(stream, 'socket');
    const collector = new Collector(far.source);
    const memory = workshop.file(BIG);
    const options = ['--codec', 'none'];
    const xenopsd = start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario: { memory }, options });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await collector.has(1_000_000);
    await far.sink.abort();
    let line = await xenopsd.hearNews();
    if (line === 'suspend:') line = await xenopsd.hearNews();
    assert.match(line ?? '', /^error:ramferry: ERR_LINK_CLOSED/);
    assert.equal(await xenopsd.status(), 2);
    assert.equal(await xenopsd.hear(), undefined);
    assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
    xenopsd.checkFlags();
    fs.closeSync(stream.fd);
  });

  it('in a restore: the link ends early', async () => {
    const wire = await smallWire();
    const { xenopsd, stream, feeding, end } = await beginRestore(wire.subarray(0, wire.length - 5000));
    await xenopsd.say('restore:xenguest');
    await feeding;
    await end();
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_STREAM_TRUNCATED/);
    assert.equal(await xenopsd.status(), 2);
    fs.closeSync(stream.fd);
  });

  it('in a restore: one flipped bit, and the guest never gets its END', async () => {
    const wire = await smallWire();
    const broken = Buffer.from(wire);
    broken[Math.floor(wire.length / 2)]! ^= 1;
    const { xenopsd, stream, restored } = await beginRestore(broken);
    await xenopsd.say('restore:xenguest');
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_STREAM_/);
    assert.equal(await xenopsd.status(), 2);
    // The stand-in may be gone before it has opened its file: then the guest got nothing at all.
    const got = fs.existsSync(restored) ? fs.readFileSync(restored) : Buffer.alloc(0);
    assert.ok(got.length < SMALL.length && got.equals(SMALL.subarray(0, got.length)));
    fs.closeSync(stream.fd);
  });

  it('an option that does not exist is told to xenopsd', async () => {
    const stream = openStream('socket', true);
    const options = ['--codec', 'lzma'];
    const xenopsd = start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario: {}, options });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_OPTION_INVALID: codec/);
    assert.equal(await xenopsd.status(), 1);
    assert.deepEqual(xenopsd.noted(), []);
    fs.closeSync(stream.fd);
    fs.closeSync(stream.far);
  });
});

describe('a vGPU on the same descriptor', () => {
  const vgpu = Buffer.concat([SMALL.subarray(0, 300_000), Buffer.alloc(100_000)]);

  it('writes behind our END and behind xenopsd’s header, as it always did', async () => {
    const { wire, xenopsd: source } = await save(SMALL, { vgpu });
    const tail = Buffer.concat([DEMU_HEADER, vgpu, END_HEADER]);
    assert.ok(wire.subarray(-tail.length).equals(tail));
    // The vGPU has xenopsd's descriptor, xenguest one of its own.
    assert.deepEqual(source.noted('arg vgpu:'), [`arg vgpu:${STREAM}`]);
    const words = source.noted('arg ');
    assert.notEqual(words[words.indexOf('arg -fd') + 1], `arg ${STREAM}`);

    const stream = openStream('socket', false);
    const restored = workshop.file();
    const restoredVgpu = workshop.file();
    const xenopsd = start({
      mode: 'hvm_restore',
      fd: stream.fd,
      args: ['-dm', `vgpu:${STREAM}`],
      scenario: { memory: restored, vgpu: restoredVgpu, vgpuBytes: vgpu.length },
    });
    void feed(farEnd(stream, 'socket').sink, wire);
    await xenopsd.readFromStream(16);
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    assert.ok((await xenopsd.readFromStream(16)).equals(DEMU_HEADER));
    await xenopsd.say('restore:vgpu');
    await xenopsd.expect('result:vgpu');
    assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
    assert.equal(await xenopsd.status(), 0);
    assert.ok(fs.readFileSync(restored).equals(SMALL));
    assert.ok(fs.readFileSync(restoredVgpu).equals(vgpu));
    fs.closeSync(stream.fd);
  });

  it('is compressed when both hosts are told so, each to the end of its own container', async () => {
    const options = ['--compress-vgpu'];
    const { wire } = await save(SMALL, { vgpu, options });
    const at = wire.indexOf(DEMU_HEADER) + 16;
    assert.ok(wire.length - at < vgpu.length / 2);
    const stream = openStream('socket', false);
    const restored = workshop.file();
    const restoredVgpu = workshop.file();
    const xenopsd = start({
      mode: 'hvm_restore',
      fd: stream.fd,
      args: ['-dm', `vgpu:${STREAM}`],
      options,
      scenario: { memory: restored, vgpu: restoredVgpu, vgpuBytes: vgpu.length },
    });
    const feeding = feed(farEnd(stream, 'socket').sink, wire);
    await xenopsd.readFromStream(16);
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    assert.ok((await xenopsd.readFromStream(16)).equals(DEMU_HEADER));
    await xenopsd.say('restore:vgpu');
    await xenopsd.expect('result:vgpu');
    await feeding;
    assert.equal(unread(stream.fd), 16);
    assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
    assert.equal(await xenopsd.status(), 0);
    assert.ok(fs.readFileSync(restoredVgpu).equals(vgpu));
    fs.closeSync(stream.fd);
  });

  it('never has xenopsd write its header into our bytes, even when emu-manager gives up waiting', async () => {
    const stream = openStream('socket', true);
    const far = farEnd(stream, 'socket');
    const xenopsd = start({
      mode: 'hvm_save',
      fd: stream.fd,
      args: ['-compress', 'true', '-dm', `vgpu:${STREAM}`],
      scenario: { memory: workshop.file(guestStream(4)), vgpu: workshop.file(vgpu), impatient: true },
      options: ['--codec', 'none'],
    });
    await xenopsd.expect('suspend:');
    await xenopsd.say('done');
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    // Nobody reads the link: prepare:vgpu stays here, and the failure overtakes it.
    await xenopsd.expect('error:error code -62');
    assert.equal(await xenopsd.status(), 2);
    assert.equal(xenopsd.heard.includes('prepare:vgpu'), false);
    xenopsd.checkFlags();
    await far.source.close();
    fs.closeSync(stream.fd);
  });

  it('is refused in a live migration before anything has started', async () => {
    const stream = openStream('socket', true);
    const args = [...LIVE, '-dm', `vgpu:${STREAM}`];
    const xenopsd = start({ mode: 'hvm_save', fd: stream.fd, args, scenario: {} });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_USAGE: a live migration cannot share/);
    assert.equal(await xenopsd.status(), 1);
    assert.deepEqual(xenopsd.noted(), []);
    assert.equal(unread(stream.far), 0);
    fs.closeSync(stream.fd);
    fs.closeSync(stream.far);
  });
});

describe('what is not ours', () => {
  it('a save without -compress is the real one’s alone', async () => {
    const stream = openStream('socket', true);
    const far = new Collector(farEnd(stream, 'socket').source);
    const args = ['-live', 'true'];
    const xenopsd = start({ mode: 'save', fd: stream.fd, args, scenario: { memory: workshop.file(SMALL) } });
    await xenopsd.save(true);
    await xenopsd.writeToStream(END_HEADER);
    assert.equal(await xenopsd.status(), 0);
    fs.closeSync(stream.fd);
    await far.ended;
    assert.ok(far.bytes().equals(Buffer.concat([LIBXC_HEADER, SMALL, END_HEADER])));
    const words = xenopsd.noted('arg ');
    assert.equal(words[words.indexOf('arg -fd') + 1], `arg ${STREAM}`);
  });

  it('so is its exit status', async () => {
    const stream = openStream('socket', true);
    const args = ['-live', 'true'];
    const scenario = { memory: workshop.file(SMALL), failAt: 1 };
    const xenopsd = start({ mode: 'save', fd: stream.fd, args, scenario });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await xenopsd.expect('error:error code -5');
    assert.equal(await xenopsd.status(), 2);
    fs.closeSync(stream.fd);
    fs.closeSync(stream.far);
  });
});
