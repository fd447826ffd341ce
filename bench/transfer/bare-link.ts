// The least loop that carries a file over tcp or TLS in Node: pieces of 1 MiB are read and written, and what arrives is gathered into pieces
// of 1 MiB and written. It is the baseline for what Node's TLS costs.
// `bare-link.js receive ADDRESS FILE [CERTIFICATES]` says its port; `bare-link.js send ADDRESS:PORT FILE [CERTIFICATES]` prints the
// seconds from the connection to the receiver's end.

import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import net from 'node:net';
import process from 'node:process';
import tls from 'node:tls';

const PIECE = 1024 * 1024;
const CIPHERS = 'TLS_AES_128_GCM_SHA256';

const [mode, place, path, certificates] = process.argv.slice(2) as [string, string, string, string?];

function identity(role: 'server' | 'client'): tls.SecureContextOptions {
  const read = (name: string): Buffer => readFileSync(`${certificates!}/${name}`);
  return {
    ca: read('ca-cert.pem'),
    cert: read(`${role}-cert.pem`),
    key: read(`${role}-key.pem`),
    minVersion: 'TLSv1.3',
    ciphers: CIPHERS,
  };
}

function receive(): void {
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(PIECE);
  let filled = 0;
  const take = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) {
      const count = bytes.copy(piece, filled, at);
      at += count;
      filled += count;
      if (filled === PIECE) filled = writeSync(file, piece) - PIECE;
    }
  };
  const serve = (socket: net.Socket): void => {
    server.close();
    socket.on('data', take).on('end', () => {
      writeSync(file, piece, 0, filled);
      closeSync(file);
      socket.end();
    });
  };
  const options = { allowHalfOpen: true };
  const server: net.Server =
    certificates === undefined
      ? net.createServer(options, serve)
      : tls.createServer({ ...options, ...identity('server'), requestCert: true }, serve);
  server.listen({ host: place, port: 0 }, () => {
    process.stdout.write(`listening on ${(server.address() as net.AddressInfo).port}\n`);
  });
}

function send(): void {
  const file = openSync(path, 'r');
  const [host, port] = [place.slice(0, place.lastIndexOf(':')), Number(place.split(':').at(-1))];
  const piece = Buffer.alloc(PIECE);
  const next = (): void => {
    const count = readSync(file, piece);
    if (count === 0) socket.end();
    else socket.write(piece.subarray(0, count), next);
  };
  let started = 0;
  const begin = (): void => {
    started = performance.now();
    next();
  };
  const to = { host, port, allowHalfOpen: true };
  const socket =
    certificates === undefined
      ? net.connect(to, begin)
      : tls.connect({ ...to, ...identity('client'), servername: 'localhost' }, begin);
  socket.resume().on('end', () => {
    process.stdout.write(`${(performance.now() - started) / 1e3} seconds\n`);
  });
}

if (mode === 'receive') receive();
else send();
