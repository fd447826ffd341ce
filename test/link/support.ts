// Shared by the tests of links: private directories, assertions on errors, reading to the end.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { RamferryError, type ErrorCode } from '../../src/errors.js';
import type { ByteSink, ByteSource, Channel } from '../../src/io/bytes.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import type { OpenOptions } from '../../src/link/options.js';

export function temporaryDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-link-'));
  after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function rejectsWith(work: Promise<unknown>, code: ErrorCode, text = /./): Promise<void> {
  return assert.rejects(work, (thrown) => {
    assert.ok(thrown instanceof RamferryError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    assert.match(thrown.message, text);
    return true;
  });
}

export function throwsWith(work: () => unknown, code: ErrorCode, text = /./): void {
  assert.throws(work, (thrown) => {
    assert.ok(thrown instanceof RamferryError, String(thrown));
    assert.equal(thrown.code, code, thrown.message);
    assert.match(thrown.message, text);
    return true;
  });
}

/** Bytes in shared memory that depend on their offset. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

export async function readAll(source: ByteSource, piece = 100_000): Promise<Buffer> {
  const parts: Buffer[] = [];
  const target = new Uint8Array(new SharedArrayBuffer(piece));
  for (;;) {
    const count = await source.read(target);
    if (count === 0) return Buffer.concat(parts);
    parts.push(Buffer.from(target.slice(0, count)));
  }
}

export async function readExactly(source: ByteSource, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const count = await source.read(bytes.subarray(done));
    assert.notEqual(count, 0, `the input ended after ${done} of ${length} bytes`);
    done += count;
  }
  return bytes;
}

export function sourceOf(channel: Channel): ByteSource {
  assert.ok(channel.source !== undefined);
  return channel.source;
}

export function sinkOf(channel: Channel): ByteSink {
  assert.ok(channel.sink !== undefined);
  return channel.sink;
}

export interface Pair {
  readonly listener: Channel;
  readonly connector: Channel;
}

/** Starts listening; resolves when the listener is ready, with the address for the other side. */
export async function startListening(
  listen: string,
  options: OpenOptions = {},
): Promise<{ address: string; accepted: Promise<Channel> }> {
  let accepted: Promise<Channel> | undefined;
  const address = await new Promise<string>((resolve, reject) => {
    accepted = openInput(parseAddress(listen), { ...options, onListening: resolve });
    accepted.catch(reject);
  });
  return { address, accepted: accepted! };
}

/** Both ends of a connection. They are closed after the test. */
export async function connectedPair(listen: string, options: OpenOptions = {}): Promise<Pair> {
  const { address, accepted } = await startListening(listen, options);
  const connector = await openOutput(parseAddress(address), options);
  const listener = await accepted;
  after(() => Promise.all([listener.sink?.abort(), connector.sink?.abort()]));
  return { listener, connector };
}

/** Node's arguments for a script in its own process. `lib(path)` in the script imports a module of ramferry. */
export function nodeArguments(script: string): string[] {
  const base = JSON.stringify(new URL('../../src/', import.meta.url).href);
  return ['--input-type=module', '-e', `const lib = (path) => import(${base} + path);\n${script}`];
}

/** The start of such a script that simulates a machine without a koffi binary. */
export const WITHOUT_KOFFI = "process.dlopen = () => { throw new Error('no native modules'); };\n";
