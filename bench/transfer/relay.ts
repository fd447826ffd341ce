// The simplest relay in Node: a file piped into a socket, a socket piped into a file. It is the baseline for the engine
// without compression. `relay.js listen SOCKET FILE` or `relay.js connect SOCKET FILE`. The connecting side prints the
// seconds from the connection to the listener's message that it has written everything.

import { createReadStream, createWriteStream } from 'node:fs';
import net from 'node:net';
import { finished } from 'node:stream/promises';

const [mode, path, file] = process.argv.slice(2) as [string, string, string];

if (mode === 'listen') {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const output = createWriteStream(file);
    socket.pipe(output);
    void finished(output).then(() => {
      socket.end('done');
      server.close();
    });
  });
  server.listen(path, () => console.log('listening'));
} else {
  const socket = net.connect({ path, allowHalfOpen: true });
  socket.once('connect', () => {
    const started = performance.now();
    createReadStream(file).pipe(socket);
    socket.once('data', () => {
      console.log((performance.now() - started) / 1e3);
      socket.destroy();
    });
  });
}
