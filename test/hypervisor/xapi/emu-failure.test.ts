// Failures: those of the real emu-manager, which xenopsd gets in its words, and the front's, which are one line.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { BIG, LIVE, SMALL, Stage } from '../support/stage.js';
import { TRANSPORTS } from '../../../lab/xapi/stream.js';
import { Workshop, Xenopsd } from '../../../lab/xapi/xenopsd.js';

const stage = new Stage();
const { workshop } = stage;

let smallSaved: Promise<Buffer> | undefined;

/** The bytes that a save of SMALL writes; made once. */
function smallWire(): Promise<Buffer> {
  smallSaved ??= stage.save(SMALL).then(({ wire }) => wire);
  return smallSaved;
}

/** Checks for one error line, status 2 and no further line. */
async function checkFailure(xenopsd: Xenopsd, pattern: RegExp): Promise<void> {
  assert.match((await xenopsd.hearNews()) ?? '', pattern);
  assert.equal(await xenopsd.status(), 2);
  assert.equal(await xenopsd.hear(), undefined);
  xenopsd.checkFlags();
}

for (const transport of TRANSPORTS) {
  describe(`EmuFront over a ${transport}: emu-manager`, () => {
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

  describe(`EmuFront over a ${transport}: xenguest`, () => {
    for (const [what, scenario, pattern] of [
      ['said to be finished without its END record', { early: true }, /ERR_INPUT_TRUNCATED/],
      ['that writes behind its END record', { surplus: 100 }, /ERR_INPUT_UNKNOWN: .*100 bytes behind/],
    ] as const) {
      it(`${what} fails the save`, async () => {
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

describe('EmuFront: xenguest', () => {
  it('fails when xenguest ends without a report of emu-manager', async () => {
    const scenario = { memory: workshop.file(BIG), closeAt: 1_000_000 };
    const { xenopsd, stream, arrivals } = await stage.beginSave('socket', scenario);
    await checkFailure(xenopsd, /^error:ramferry: ERR_INPUT_TRUNCATED/);
    assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
    stream.close();
    await arrivals.close();
  });
});

describe('EmuFront: failures of the front', () => {
  for (const transport of ['socket', 'pipe'] as const) {
    it(`aborts the real emu-manager when the link dies in a save over a ${transport}`, async () => {
      const scenario = { memory: workshop.file(BIG) };
      const options = ['--codec', 'none'];
      const stream = stage.stream(transport, true);
      const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario, options });
      await xenopsd.expect('prepare:xenguest');
      await xenopsd.say('done');
      // Some bytes have come; then the reader closes.
      assert.notEqual(await stream.source.read(Buffer.alloc(1000)), 0);
      await stream.source.close();
      if (transport === 'socket') await stream.sink.abort();
      await checkFailure(xenopsd, /^error:ramferry: ERR_(LINK|OUTPUT)_/);
      assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
      fs.closeSync(stream.fd);
    });

    it(`fails when the link ends early in a restore over a ${transport}`, async () => {
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

  it('fails when the disk is full in a save', { skip: !fs.existsSync('/dev/full') }, async () => {
    const fd = fs.openSync('/dev/full', 'a');
    const scenario = { memory: workshop.file(BIG) };
    const xenopsd = stage.start({ mode: 'hvm_save', fd, args: LIVE, scenario });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await checkFailure(xenopsd, /^error:ramferry: ERR_OUTPUT_FULL|^error:ramferry: ERR_OUTPUT_/);
    fs.closeSync(fd);
  });

  it('gives the guest no END after one flipped bit in a restore', async () => {
    const wire = await smallWire();
    const broken = Buffer.from(wire);
    broken[Math.floor(wire.length / 2)]! ^= 1;
    const { xenopsd, stream, restored, feeding } = await stage.beginRestore(broken);
    // In a length field the flipped bit would make the reader wait for more bytes.
    void feeding.then(() => stream.end());
    await xenopsd.say('restore:xenguest');
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_STREAM_/);
    assert.equal(await xenopsd.status(), 2);
    // The stand-in may end before it has opened its file: then the guest got no byte.
    const got = fs.existsSync(restored) ? fs.readFileSync(restored) : Buffer.alloc(0);
    assert.ok(got.length < SMALL.length && got.equals(SMALL.subarray(0, got.length)));
    stream.close();
  });
});

describe('emuManager: failures at start', () => {
  it('writes an error line and ends with status 1 when emu-manager cannot be started', async () => {
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
    it(`names the option of a stream ${what}`, async () => {
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

  it('reports a closed control channel over the other one', async () => {
    const stream = stage.stream('socket', true);
    const args = [...LIVE, '-controlinfd', '201'];
    const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args, scenario: {} });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_INPUT_OPEN: .*-controlinfd/);
    assert.equal(await xenopsd.status(), 1);
    stream.close();
  });

  it('throws a typed error when the host cannot run emu-manager, also without compression', async () => {
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

  it('reports an invalid option to xenopsd, and does not start emu-manager', async () => {
    const stream = stage.stream('socket', true);
    const options = ['--codec', 'lzma'];
    const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario: {}, options });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_OPTION_INVALID: codec/);
    assert.equal(await xenopsd.status(), 1);
    assert.deepEqual(xenopsd.noted(), []);
    stream.close();
  });
});
