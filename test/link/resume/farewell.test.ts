// The end of a connection in order, over a real unix socket: what the other side still writes finds it open.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, describe, it } from 'node:test';

import { scratchDirectory } from '../../../lab/cleanup.js';
import { ExactReader } from '../../../src/io/exact-reader.js';
import { parseAddress } from '../../../src/link/address.js';
import { openInput, openOutput } from '../../../src/link/open.js';
import { closeInOrder } from '../../../src/link/resume/farewell.js';
import { acknowledgement, PACKET, packet } from '../../../src/link/resume/packet.js';
import { PacketConnection } from '../../../src/link/resume/packet-connection.js';

const scratch = scratchDirectory();
after(() => scratch.remove());

/** Both ends of a connection. */
async function connected(name: string): Promise<[PacketConnection, PacketConnection]> {
  const path = `${scratch.path}/${name}`;
  const ends = await Promise.all([
    openInput(parseAddress(`unix-listen:${path}`)),
    openOutput(parseAddress(`unix:${path}`)),
  ]);
  const [one, other] = ends.map((end) => new PacketConnection(end, new ExactReader(end.source!)));
  return [one!, other!];
}

const block = (bytes: number): Buffer => Buffer.alloc(bytes);

describe('closeInOrder', () => {
  it('keeps the connection open until the other side has ended its direction', async () => {
    const [one, other] = await connected('late');
    // The session still reads when it ends.
    const pending = one.read(block);
    const closing = closeInOrder(one, acknowledgement(7, 0));
    await other.write(packet(PACKET.acknowledge, 1));
    assert.equal((await pending).position, 1);
    for (let late = 0; late < 3; late++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await other.write(acknowledgement(2, 0));
    }
    assert.equal((await other.read(block)).position, 7, 'the last word has come');
    await assert.rejects(other.read(block), { code: 'ERR_LINK_CLOSED' });
    await other.close();
    await closing;
  });

  it('waits no longer than a moment for a side that never ends', async () => {
    const [one, other] = await connected('never');
    await closeInOrder(one);
    await assert.rejects(other.read(block), { code: 'ERR_LINK_CLOSED' });
    await other.close();
  });
});
