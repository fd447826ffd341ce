// How a monitor connection ends when QEMU ends.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { it } from 'node:test';

import { QmpClient } from '../../../../src/hypervisor/qemu/qmp/client.js';

it('reports ERR_QMP_CLOSED when a killed QEMU resets the connection', async (test) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-qmp-'));
  const monitor = path.join(directory, 'monitor');
  // The client's bytes are unread when the socket is closed: the kernel sends a reset.
  const server = net.createServer({ pauseOnConnect: true });
  test.after(() => {
    server.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  server.listen(monitor);
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  const connecting = QmpClient.connect(monitor, { timeout: 10_000 });
  const refused = assert.rejects(connecting, { code: 'ERR_QMP_CLOSED' });
  const [socket] = await accepted;
  socket.write('{"QMP":{"version":{},"capabilities":[]}}\n');
  // Waits until the answer has come. With a late answer this would be a plain end, and the test would also pass.
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await refused;
});
