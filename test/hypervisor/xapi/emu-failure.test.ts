// Failures: the real one's own, which xenopsd hears in its words, and ours, of which it hears one line.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { BIG, LIVE, SMALL, Stage } from '../support/stage.js';
import { TRANSPORTS } from '../../../lab/xapi/stream.js';
import { Workshop, Xenopsd } from '../../../lab/xapi/xenopsd.js';

const stage = new Stage();
const { workshop } = stage;

let smallSaved: Promise<Buffer> | undefined;

/** What a save of SMALL leaves on the wire; made once. */
function smallWire(): Promise<Buffer> {
  smallSaved ??= stage.save(SMALL).then(({ wire }) => wire);
  return smallSaved;
}

/** One line, status 2, and silence. */
async function checkFailure(xenopsd: Xenopsd, pattern: RegExp): Promise<void> {
  assert.match((await xenopsd.hearNews()) ?? '', pattern);
  assert.equal(await xenopsd.status(), 2);
  assert.equal(await xenopsd.hear(), undefined);
  xenopsd.checkFlags();
}

for (const transport of TRANSPORTS) {
  describe(`a real emu-manager, over a ${transport},`, () => {
    for (const [what, accident, pattern] of [
      [
        'that dies',
        { dieAt: 1_000_000 },
        /^error:ramferry: ERR_LINK_COMMAND: emu-manager was ended by SIGKILL/,
      ],
      ['that fails', { failAt: 1_000_000 }, /^error:error code -5$/],
    ] as const) {
      it(`${what} ends a save`, async () => {
        const scenario = { memory: workshop.file(BIG), ...accident };
        const { xenopsd, stream, arrivals } = await stage.beginSave(transport, scenario);
        await checkFailure(xenopsd, pattern);
        stream.close();
        await arrivals.close();
      });

      it(`${what} ends a restore`, async () => {
        const stream = stage.stream(transport, false);
        void stream.feed(BIG);
        const scenario = { memory: workshop.file(), ...accident };
        const xenopsd = stage.start({ mode: 'hvm_restore', fd: stream.fd, scenario });
        await xenopsd.say('restore:xenguest');
        await checkFailure(xenopsd, pattern);
        stream.close();
      });
    }
  });

  describe(`xenguest, over a ${transport},`, () => {
    for (const [what, scenario, pattern] of [
      ['said to be finished without its END record', { early: true }, /ERR_INPUT_TRUNCATED/],
      ['that writes behind its END record', { surplus: 100 }, /ERR_INPUT_UNKNOWN: .*100 bytes behind/],
    ] as const) {
      it(`${what} makes the save fail`, async () => {
        const full = { memory: workshop.file(SMALL), ...scenario };
        const { xenopsd, stream, arrivals } = await stage.beginSave(transport, full);
        await xenopsd.expect('suspend:');
        await xenopsd.say('done');
        await checkFailure(xenopsd, pattern);
        stream.close();
        await arrivals.close();
      });
    }
  });
}

describe('xenguest', () => {
  it('that goes away without a word from emu-manager is our failure', async () => {
    const scenario = { memory: workshop.file(BIG), closeAt: 1_000_000 };
    const { xenopsd, stream, arrivals } = await stage.beginSave('socket', scenario);
    await checkFailure(xenopsd, /^error:ramferry: ERR_INPUT_TRUNCATED/);
    assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
    stream.close();
    await arrivals.close();
  });
});

describe('a failure of our own', () => {
  for (const transport of ['socket', 'pipe'] as const) {
    it(`in a save over a ${transport}: the link dies, and the real one is aborted`, async () => {
      const scenario = { memory: workshop.file(BIG) };
      const options = ['--codec', 'none'];
      const stream = stage.stream(transport, true);
      const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario, options });
      await xenopsd.expect('prepare:xenguest');
      await xenopsd.say('done');
      // Something has come; then nobody is there any more.
      assert.notEqual(await stream.source.read(Buffer.alloc(1000)), 0);
      await stream.source.close();
      if (transport === 'socket') await stream.sink.abort();
      await checkFailure(xenopsd, /^error:ramferry: ERR_(LINK|OUTPUT)_/);
      assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
      fs.closeSync(stream.fd);
    });

    it(`in a restore over a ${transport}: the link ends early`, async () => {
      const wire = await smallWire();
      const part = wire.subarray(0, wire.length - 5000);
      const { xenopsd, stream, feeding } = await stage.beginRestore(part, { transport });
      await xenopsd.say('restore:xenguest');
      await feeding;
      await stream.end();
      await checkFailure(xenopsd, /^error:ramferry: ERR_STREAM_TRUNCATED/);
      stream.close();
    });
  }

  it('in a save to a disk that is full', { skip: !fs.existsSync('/dev/full') }, async () => {
    const fd = fs.openSync('/dev/full', 'a');
    const scenario = { memory: workshop.file(BIG) };
    const xenopsd = stage.start({ mode: 'hvm_save', fd, args: LIVE, scenario });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await checkFailure(xenopsd, /^error:ramferry: ERR_OUTPUT_FULL|^error:ramferry: ERR_OUTPUT_/);
    fs.closeSync(fd);
  });

  it('in a restore: one flipped bit, and the guest never gets its END', async () => {
    const wire = await smallWire();
    const broken = Buffer.from(wire);
    broken[Math.floor(wire.length / 2)]! ^= 1;
    const { xenopsd, stream, restored, feeding } = await stage.beginRestore(broken);
    // Were it in a length, more would be waited for.
    void feeding.then(() => stream.end());
    await xenopsd.say('restore:xenguest');
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_STREAM_/);
    assert.equal(await xenopsd.status(), 2);
    // The stand-in may be gone before it has opened its file: then the guest got nothing at all.
    const got = fs.existsSync(restored) ? fs.readFileSync(restored) : Buffer.alloc(0);
    assert.ok(got.length < SMALL.length && got.equals(SMALL.subarray(0, got.length)));
    stream.close();
  });
});

describe('a front that cannot begin', () => {
  it('because emu-manager cannot be started: an error line and status 1', async () => {
    const stream = stage.stream('socket', true);
    const nowhere = new Workshop();
    fs.rmSync(nowhere.emuManager);
    const xenopsd = new Xenopsd({ workshop: nowhere, mode: 'save', fd: stream.fd, args: LIVE, scenario: {} });
    assert.match(
      (await xenopsd.hear()) ?? '',
      /^error:ramferry: ERR_LINK_COMMAND: emu-manager could not be started/,
    );
    assert.equal(await xenopsd.status(), 1);
    stream.close();
    fs.rmSync(nowhere.directory, { recursive: true });
  });

  for (const [what, number] of [
    ['that is closed', 200],
    ['that Node itself has opened', 9],
  ] as const) {
    it(`because of a stream ${what}: named by its option`, async () => {
      const stream = stage.stream('socket', true);
      for (const words of [
        ['-fd', String(number)],
        ['-live', 'false', '-dm', `vgpu:${number}`],
      ]) {
        const args = [...LIVE, ...words];
        const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args, scenario: {} });
        const line = (await xenopsd.hear()) ?? '';
        assert.match(line, new RegExp(`^error:ramferry: ERR_OUTPUT_OPEN: .*${words.at(-2)!} .*${number}`));
        assert.equal(await xenopsd.status(), 1);
        assert.deepEqual(xenopsd.noted(), []);
      }
      const restore = { mode: 'hvm_restore', args: ['-fd', String(number)] } as const;
      const xenopsd = stage.start({ ...restore, fd: stream.fd, scenario: {} });
      assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_INPUT_OPEN: .*-fd/);
      assert.equal(await xenopsd.status(), 1);
      stream.close();
    });
  }

  it('because of a control channel that is closed: the other one is told', async () => {
    const stream = stage.stream('socket', true);
    const args = [...LIVE, '-controlinfd', '201'];
    const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args, scenario: {} });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_INPUT_OPEN: .*-controlinfd/);
    assert.equal(await xenopsd.status(), 1);
    stream.close();
  });

  it('because emu-manager is no program that this host can start: typed, also where nothing is ours', async () => {
    const stream = stage.stream('socket', true);
    const workshop = new Workshop();
    fs.rmSync(workshop.emuManager);
    fs.symlinkSync(workshop.emuManager, workshop.emuManager);
    const compressed = new Xenopsd({ workshop, mode: 'save', fd: stream.fd, args: LIVE, scenario: {} });
    assert.match((await compressed.hear()) ?? '', /^error:ramferry: ERR_LINK_COMMAND: .*ELOOP/);
    assert.equal(await compressed.status(), 1);
    const plain = new Xenopsd({
      workshop,
      mode: 'save',
      fd: stream.fd,
      args: ['-live', 'true'],
      scenario: {},
    });
    assert.equal(await plain.status(), 4);
    stream.close();
    fs.rmSync(workshop.directory, { recursive: true });
  });

  it('because of an option: xenopsd is told, and emu-manager not started', async () => {
    const stream = stage.stream('socket', true);
    const options = ['--codec', 'lzma'];
    const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario: {}, options });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_OPTION_INVALID: codec/);
    assert.equal(await xenopsd.status(), 1);
    assert.deepEqual(xenopsd.noted(), []);
    stream.close();
  });
});
