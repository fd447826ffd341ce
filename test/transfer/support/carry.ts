// Carries an image from one file to another over any kind of link, with the real send and receive. Everything lies in
// one temporary directory a test file.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import { generateImage } from '../../../src/image/image.js';
import type { ImageProfile } from '../../../src/image/profiles.js';
import type { ReceiveOptions, SendOptions } from '../../../src/options/transfer.js';
import { receive } from '../../../src/transfer/receive.js';
import { send } from '../../../src/transfer/send.js';
import type { TransferSummary } from '../../../src/transfer/statistics/summary.js';

/** A directory that is gone when the tests of this file have run. */
export function workplace(): Workplace {
  const directory = mkdtempSync(join(tmpdir(), 'ramferry-'));
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return new Workplace(directory);
}

export class Workplace {
  #count = 0;

  constructor(readonly directory: string) {}

  /** A name that nothing has yet. */
  path(name: string): string {
    return join(this.directory, `${this.#count++}-${name}`);
  }

  file(name: string, bytes: Uint8Array): string {
    const path = this.path(name);
    writeFileSync(path, bytes);
    return path;
  }

  /** Everything that lies here, temporaries too. */
  names(): string[] {
    return readdirSync(this.directory).sort();
  }
}

export function image(bytes: number, profile: ImageProfile = 'busy', seed = 1): Buffer {
  return Buffer.concat([...generateImage({ bytes, seed, profile })]);
}

export const LINKS = ['file', 'exec', 'unix', 'tcp'] as const;
export type LinkKind = (typeof LINKS)[number];

export type SendExtras = Omit<SendOptions, 'input' | 'output'>;
export type ReceiveExtras = Omit<ReceiveOptions, 'input' | 'output'>;

export interface Carried {
  readonly sent: TransferSummary;
  readonly received: TransferSummary;
  readonly bytes: Buffer;
}

/** Sends the file at `input` over a link of this kind and receives it into a file. */
export async function carry(
  place: Workplace,
  kind: LinkKind,
  input: string,
  sendExtras: SendExtras = {},
  receiveExtras: ReceiveExtras = {},
): Promise<Carried> {
  const output = place.path('restored');
  const sending = (address: string): Promise<TransferSummary> =>
    send({ compressThreads: 2, ...sendExtras, input, output: address });
  const receiving = (address: string, onListening?: (address: string) => void): Promise<TransferSummary> =>
    receive({
      decompressThreads: 2,
      ...receiveExtras,
      input: address,
      output,
      ...(onListening === undefined ? {} : { onListening }),
    });
  let sent: TransferSummary;
  let received: TransferSummary;
  if (kind === 'file' || kind === 'exec') {
    const stream = place.path('stream');
    sent = await sending(kind === 'file' ? stream : `exec:cat > ${stream}`);
    received = await receiving(kind === 'file' ? stream : `exec:cat ${stream}`);
    rmSync(stream);
  } else {
    const address = kind === 'unix' ? `unix-listen:${place.path('socket')}` : 'tcp-listen:127.0.0.1:0';
    const { ready, result } = listening((onListening) => receiving(address, onListening));
    [received, sent] = await Promise.all([result, ready.then(sending)]);
  }
  const bytes = readFileSync(output);
  rmSync(output);
  assert.equal(received.ram.total, bytes.length);
  return { sent, received, bytes };
}

/** Starts something that listens; resolves with the address to connect to, or fails as it does. */
export function listening<T>(start: (onListening: (address: string) => void) => Promise<T>): {
  ready: Promise<string>;
  result: Promise<T>;
} {
  let listens: (address: string) => void = () => undefined;
  const ready = new Promise<string>((resolve) => (listens = resolve));
  const result = start(listens);
  return { ready: Promise.race([ready, result.then(() => assert.fail('ended before it listened'))]), result };
}
