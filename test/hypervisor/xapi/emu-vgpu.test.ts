// A vGPU beside the memory: the real emu-manager has its descriptor, and its lines keep their place between the front's bytes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { guestStream } from '../support/guests.js';
import { LIVE, SMALL, Stage } from '../support/stage.js';
import { TRANSPORTS, type Transport } from '../../../lab/xapi/stream.js';
import { DEMU_HEADER, END_HEADER, STREAM } from '../../../lab/xapi/xenopsd.js';

const stage = new Stage();
const { workshop } = stage;

const vgpu = Buffer.concat([SMALL.subarray(0, 300_000), Buffer.alloc(100_000)]);

/** Restores memory and vGPU from one descriptor. */
async function restoreBoth(wire: Buffer, transport: Transport, options: readonly string[]): Promise<void> {
  const restoredVgpu = workshop.file();
  const { xenopsd, stream, restored, feeding } = await stage.beginRestore(wire, {
    transport,
    args: ['-dm', `vgpu:${STREAM}`],
    options,
    scenario: { vgpu: restoredVgpu, vgpuBytes: vgpu.length },
  });
  await xenopsd.say('restore:xenguest');
  await xenopsd.expect('result:xenguest 3 4');
  assert.ok((await xenopsd.readFromStream(16)).equals(DEMU_HEADER));
  await xenopsd.say('restore:vgpu');
  await xenopsd.expect('result:vgpu');
  await feeding;
  if (transport !== 'file') assert.equal(stream.waiting, 16);
  assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
  assert.equal(await xenopsd.status(), 0);
  assert.ok(fs.readFileSync(restored).equals(SMALL));
  assert.ok(fs.readFileSync(restoredVgpu).equals(vgpu));
  stream.close();
}

for (const transport of TRANSPORTS) {
  describe(`EmuFront: a vGPU on the same ${transport}`, () => {
    it('writes behind the front’s END and xenopsd’s header', async () => {
      const { wire, xenopsd: source } = await stage.save(SMALL, { vgpu, transport });
      const tail = Buffer.concat([DEMU_HEADER, vgpu, END_HEADER]);
      assert.ok(wire.subarray(-tail.length).equals(tail));
      // The vGPU has xenopsd's descriptor, xenguest has one of its own.
      assert.deepEqual(source.noted('arg vgpu:'), [`arg vgpu:${STREAM}`]);
      const words = source.noted('arg ');
      assert.notEqual(words[words.indexOf('arg -fd') + 1], `arg ${STREAM}`);
      await restoreBoth(wire, transport, []);
    });

    it('is compressed in a container of its own when both hosts compress it', async () => {
      const options = ['--compress-vgpu'];
      const { wire } = await stage.save(SMALL, { vgpu, transport, options });
      const at = wire.indexOf(DEMU_HEADER) + 16;
      assert.ok(wire.length - at < vgpu.length / 2);
      await restoreBoth(wire, transport, options);
    });
  });
}

describe('EmuFront: a vGPU on the same descriptor', () => {
  it('keeps xenopsd’s header out of the front’s bytes, also when emu-manager gives up', async () => {
    const stream = stage.stream('pipe', true);
    const xenopsd = stage.start({
      mode: 'hvm_save',
      fd: stream.fd,
      args: ['-compress', 'true', '-dm', `vgpu:${STREAM}`],
      scenario: { memory: workshop.file(guestStream(1)), vgpu: workshop.file(vgpu), impatient: true },
      options: ['--codec', 'none'],
    });
    await xenopsd.expect('suspend:');
    await xenopsd.say('done');
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    // The link has no reader: prepare:vgpu is held, and the failure overtakes it.
    await xenopsd.expect('error:error code -62');
    assert.equal(await xenopsd.status(), 2);
    assert.equal(xenopsd.heard.includes('prepare:vgpu'), false);
    xenopsd.checkFlags();
    stream.close();
  });

  it('is refused in a live migration before the start', async () => {
    const stream = stage.stream('socket', true);
    const args = [...LIVE, '-dm', `vgpu:${STREAM}`];
    const xenopsd = stage.start({ mode: 'hvm_save', fd: stream.fd, args, scenario: {} });
    assert.match((await xenopsd.hear()) ?? '', /^error:ramferry: ERR_USAGE: a live migration cannot share/);
    assert.equal(await xenopsd.status(), 1);
    assert.deepEqual(xenopsd.noted(), []);
    assert.equal(stream.waiting, 0);
    stream.close();
  });
});

describe('EmuFront: a vGPU on a descriptor of its own', () => {
  it('migrates live beside the memory, unchanged', async () => {
    const memory = stage.stream('socket', true);
    const memoryArrivals = memory.collect();
    const other = stage.stream('socket', true);
    const otherArrivals = other.collect();
    const xenopsd = stage.start({
      mode: 'hvm_save',
      fd: memory.fd,
      share: [other.fd],
      args: [...LIVE, '-dm', `vgpu:${STREAM + 1}`],
      scenario: { memory: workshop.file(SMALL), vgpu: workshop.file(vgpu) },
    });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    await xenopsd.expect('suspend:');
    await xenopsd.say('done');
    await xenopsd.expect('prepare:vgpu');
    await xenopsd.say('done');
    await xenopsd.expect('result:0 0');
    assert.equal(await xenopsd.status(), 0);
    fs.closeSync(memory.fd);
    fs.closeSync(other.fd);
    await Promise.all([memoryArrivals.ended, otherArrivals.ended]);
    assert.ok(memoryArrivals.bytes().length < SMALL.length / 2);
    assert.ok(otherArrivals.bytes().equals(vgpu));
  });
});
