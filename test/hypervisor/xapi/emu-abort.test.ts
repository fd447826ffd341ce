// xenopsd gives up. After `abort` no line passes, the stream is dropped, and the front ends after emu-manager, with its
// status. After the end of the control channel emu-manager's lines and status pass.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { foreign } from '../../../src/os/foreign.js';
import { libc } from '../../../src/os/libc.js';
import { BIG, endings, LIVE, SMALL, Stage } from '../support/stage.js';
import { TRANSPORTS } from '../../../lab/xapi/stream.js';
import { LIBXC_HEADER, type Xenopsd } from '../../../lab/xapi/xenopsd.js';

const stage = new Stage();
const { workshop } = stage;

/** Checks the front's end after an abort. */
async function checkSilentEnd(xenopsd: Xenopsd): Promise<void> {
  assert.equal(await xenopsd.status(), 0);
  xenopsd.checkFlags();
  assert.deepEqual(endings(xenopsd), []);
  assert.deepEqual(xenopsd.noted('gone'), ['gone'], 'emu-manager has ended before the front');
  assert.deepEqual(xenopsd.noted('emulator had'), []);
}

for (const transport of ['socket', 'pipe'] as const) {
  describe(`EmuFront: abort over a ${transport}`, () => {
    it('ends a save while the link takes nothing', async () => {
      const stream = stage.stream(transport, true);
      const scenario = { memory: workshop.file(BIG) };
      const options = ['--codec', 'none'];
      const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario, options });
      await xenopsd.expect('prepare:xenguest');
      await xenopsd.say('done');
      // The kernel cannot take all of it.
      while (stream.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await xenopsd.say('abort');
      await checkSilentEnd(xenopsd);
      assert.deepEqual(xenopsd.noted('command abort'), ['command abort']);
      stream.close();
    });

    it('ends a restore while no byte comes', async () => {
      const wire = Buffer.concat([LIBXC_HEADER, SMALL.subarray(0, 5000)]);
      const { xenopsd, stream } = await stage.beginRestore(wire, { transport });
      await xenopsd.say('restore:xenguest');
      await xenopsd.say('abort');
      await checkSilentEnd(xenopsd);
      assert.deepEqual(xenopsd.heard, []);
      stream.close();
    });
  });
}

describe('EmuFront: abort', () => {
  it('ends a save to a file', async () => {
    const scenario = { memory: workshop.file(SMALL), stallAt: 1_000_000 };
    const { xenopsd, stream } = await stage.beginSave('file', scenario);
    await xenopsd.until('stalled');
    await xenopsd.say('abort');
    await checkSilentEnd(xenopsd);
    stream.close();
  });

  it('ends a save while a write blocks in the kernel', { skip: !fs.existsSync('/dev/ptmx') }, async () => {
    // A terminal without a reader: neither a socket nor a pipe, and its writes block.
    const { ours, theirs } = terminal();
    const scenario = { memory: workshop.file(BIG) };
    const options = ['--codec', 'none'];
    const xenopsd = stage.start({ mode: 'hvm_save', fd: theirs, args: LIVE, scenario, options });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    while ((libc()?.unread(ours) ?? 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await xenopsd.say('abort');
    await checkSilentEnd(xenopsd);
    fs.closeSync(theirs);
    fs.closeSync(ours);
  });

  it('ends a restore whose xenguest has stopped reading', async () => {
    const wire = Buffer.concat([LIBXC_HEADER, BIG]);
    const { xenopsd, stream } = await stage.beginRestore(wire, { scenario: { stallAt: 100_000 } });
    await xenopsd.say('restore:xenguest');
    await xenopsd.until('stalled');
    await xenopsd.say('abort');
    await checkSilentEnd(xenopsd);
    assert.deepEqual(xenopsd.heard, []);
    stream.close();
  });

  it('ends the stream at once, and the front when xenguest has ended', async () => {
    const scenario = { memory: workshop.file(BIG), stallAt: 1_000_000, xenguestEnds: 3000 };
    const { xenopsd, stream, arrivals } = await stage.beginSave('socket', scenario);
    await xenopsd.until('stalled');
    fs.closeSync(stream.fd);
    await xenopsd.say('abort');
    // The test's end of the stream is closed: the far side sees the end only if the front holds no descriptor of it.
    await arrivals.ended;
    assert.deepEqual(xenopsd.noted('xenguest gone'), []);
    assert.equal(xenopsd.process.exitCode, null);
    await pause(100);
    const said = xenopsd.heard.length;
    assert.equal(await xenopsd.status(), 0);
    assert.deepEqual(xenopsd.noted('xenguest gone'), ['xenguest gone']);
    assert.throws(() => process.kill(numberNoted(xenopsd, 'xenguest '), 0), { code: 'ESRCH' });
    assert.equal(xenopsd.heard.length, said);
    assert.deepEqual(endings(xenopsd), []);
    assert.match(logOf(xenopsd), /aborted by xenopsd/);
  });

  it('ends a restore when xenguest has ended', async () => {
    const wire = Buffer.concat([LIBXC_HEADER, SMALL.subarray(0, 5000)]);
    const { xenopsd, stream } = await stage.beginRestore(wire, { scenario: { xenguestEnds: 2000 } });
    await xenopsd.say('restore:xenguest');
    await xenopsd.say('abort');
    assert.equal(await xenopsd.status(), 0);
    assert.deepEqual(xenopsd.noted('xenguest gone'), ['xenguest gone']);
    assert.deepEqual(xenopsd.heard, []);
    stream.close();
  });

  it('passes later signals to the real emu-manager, and ends with its status', async () => {
    const scenario = { memory: workshop.file(BIG), stallAt: 1, deaf: true };
    const { xenopsd, stream, arrivals } = await stage.beginSave('socket', scenario);
    await xenopsd.until('stalled');
    await xenopsd.say('abort');
    await xenopsd.until('pid');
    while (!logOf(xenopsd).includes('aborted by xenopsd')) await pause(5);
    xenopsd.process.kill('SIGTERM');
    assert.equal(await xenopsd.status(), 2);
    assert.deepEqual(endings(xenopsd), []);
    assert.throws(() => process.kill(numberNoted(xenopsd, 'pid '), 0), { code: 'ESRCH' });
    stream.close();
    await arrivals.close();
  });
});

describe('EmuFront: error of emu-manager', () => {
  it('keeps emu-manager’s status when the end of the channel follows', async () => {
    const scenario = { memory: workshop.file(BIG), failAt: 100_000, errorLingers: true };
    const { xenopsd, stream, arrivals } = await stage.beginSave('socket', scenario);
    await xenopsd.expect('error:error code -5');
    await xenopsd.hangUp();
    assert.equal(await xenopsd.status(), 2);
    assert.deepEqual(endings(xenopsd), ['error:error code -5']);
    assert.doesNotMatch(logOf(xenopsd), /abort/);
    stream.close();
    await arrivals.close();
  });
});

describe('EmuFront: end of the control channel', () => {
  /** xenserver's emu-manager reports a broken pipe. */
  async function checkBrokenPipe(xenopsd: Xenopsd): Promise<void> {
    assert.equal(await xenopsd.status(), 2);
    assert.deepEqual(endings(xenopsd), ['error:Broken pipe']);
    assert.deepEqual(xenopsd.noted('command abort'), []);
    assert.deepEqual(xenopsd.noted('gone'), ['gone'], 'emu-manager has ended before the front');
    assert.deepEqual(xenopsd.noted('emulator had'), []);
    assert.doesNotMatch(logOf(xenopsd), /abort/);
  }

  for (const transport of TRANSPORTS) {
    it(`ends a save over a ${transport}`, async () => {
      const scenario = { memory: workshop.file(BIG) };
      const { xenopsd, stream, arrivals } = await stage.beginSave(transport, scenario);
      await xenopsd.hangUp();
      await checkBrokenPipe(xenopsd);
      stream.close();
      await arrivals.close();
    });
  }

  it('waits for xenguest', async () => {
    const scenario = { memory: workshop.file(BIG), xenguestEnds: 2000 };
    const { xenopsd, stream, arrivals } = await stage.beginSave('socket', scenario);
    await xenopsd.hangUp();
    await checkBrokenPipe(xenopsd);
    assert.deepEqual(xenopsd.noted('xenguest gone'), ['xenguest gone']);
    stream.close();
    await arrivals.close();
  });

  it('ends a restore', async () => {
    const stream = stage.stream('socket', false);
    const scenario = { memory: workshop.file() };
    const xenopsd = stage.start({ mode: 'hvm_restore', fd: stream.fd, args: LIVE, scenario });
    await xenopsd.say('restore:xenguest');
    await xenopsd.hangUp();
    await checkBrokenPipe(xenopsd);
    assert.equal(xenopsd.noted('command-eof').length, 1);
    stream.close();
  });
});

/** The stand-in's notes that begin with this word. */
function numberNoted(xenopsd: Xenopsd, what: string): number {
  return Number(xenopsd.noted(what)[0]!.split(' ')[1]);
}

function logOf(xenopsd: Xenopsd): string {
  return fs.readFileSync(xenopsd.logFile, 'utf8');
}

/** A pseudo terminal: an end without a reader, and the end to write to. */
function terminal(): { ours: number; theirs: number } {
  // asm-generic/ioctls.h
  const TIOCGPTN = 0x80045430;
  const TIOCSPTLCK = 0x40045431;
  const ioctl = foreign()!.library.func('int ioctl(int fd, unsigned long request, void *value)') as (
    fd: number,
    request: number,
    value: Int32Array,
  ) => number;
  const { O_RDWR, O_WRONLY, O_NOCTTY } = fs.constants;
  const ours = fs.openSync('/dev/ptmx', O_RDWR | O_NOCTTY);
  const number = new Int32Array(1);
  ioctl(ours, TIOCSPTLCK, number);
  ioctl(ours, TIOCGPTN, number);
  return { ours, theirs: fs.openSync(`/dev/pts/${number[0]!}`, O_WRONLY | O_NOCTTY) };
}
