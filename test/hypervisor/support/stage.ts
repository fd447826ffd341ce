// The set-up of the front's tests: guests, streams of each kind, and the conversations that most tests share.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after } from 'node:test';
import { guestStream } from './guests.js';
import { type Arrivals, Stream, type Transport } from '../../../lab/xapi/stream.js';
import {
  END_HEADER,
  type FrontOptions,
  LIBXC_HEADER,
  STREAM,
  Workshop,
  Xenopsd,
} from '../../../lab/xapi/xenopsd.js';

export const SMALL = guestStream(3);
/** More than the kernel and the front can hold. */
export const BIG = guestStream(16);
export const LIVE = ['-live', 'true', '-compress', 'true'];

/** A guest whose uncompressed stream fits a socket's buffer. */
export function tinyGuest(): Buffer {
  const guest = guestStream(1);
  // One PAGE_DATA record of 40 pages, and the records behind it.
  const head = guest.subarray(0, 24 + 16 + 8 + 48 + 8);
  const second = guest.length - (8 + 24 + 8 + 2504 + 8) - (8 + 8 + 40 * (8 + 4096));
  return Buffer.concat([head, guest.subarray(second)]);
}

/** Lines that end a conversation. */
export function endings(xenopsd: Xenopsd): string[] {
  return xenopsd.heard.filter((line) => line.startsWith('result:') || line.startsWith('error:'));
}

export interface Saved {
  /** The bytes on the link, xenopsd's headers included. */
  readonly wire: Buffer;
  readonly xenopsd: Xenopsd;
}

export interface SaveOptions {
  readonly transport?: Transport;
  readonly live?: boolean;
  /** The vGPU's stream, behind the memory's on the same descriptor. */
  readonly vgpu?: Buffer;
  readonly options?: readonly string[];
  /** Default: a compressed save. */
  readonly args?: readonly string[];
}

export interface BegunSave {
  readonly xenopsd: Xenopsd;
  readonly stream: Stream;
  readonly arrivals: Arrivals;
}

export interface BegunRestore {
  readonly xenopsd: Xenopsd;
  readonly stream: Stream;
  /** Where the guest's memory is put. */
  readonly restored: string;
  readonly feeding: Promise<void>;
}

/** One for each test file; removes its files afterwards. */
export class Stage {
  readonly workshop = new Workshop();

  constructor() {
    after(() => this.workshop.remove());
  }

  start(options: Omit<FrontOptions, 'workshop'>): Xenopsd {
    return new Xenopsd({ workshop: this.workshop, ...options });
  }

  stream(transport: Transport, saving: boolean): Stream {
    return new Stream(transport, saving, this.workshop.file());
  }

  /** A live save up to the moment when xenguest may write. */
  async beginSave(
    transport: Transport,
    scenario: FrontOptions['scenario'],
    options: readonly string[] = [],
  ): Promise<BegunSave> {
    const stream = this.stream(transport, true);
    const arrivals = stream.collect();
    const xenopsd = this.start({ mode: 'hvm_save', fd: stream.fd, args: LIVE, scenario, options });
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    return { xenopsd, stream, arrivals };
  }

  async save(guest: Buffer, options: SaveOptions = {}): Promise<Saved> {
    const { transport = 'socket', vgpu, live = vgpu === undefined } = options;
    const stream = this.stream(transport, true);
    const arrivals = stream.collect();
    const compressed = live ? LIVE : ['-compress', 'true'];
    const args = [...(options.args ?? compressed)];
    if (vgpu !== undefined) args.push('-dm', `vgpu:${STREAM}`);
    const xenopsd = this.start({
      mode: 'hvm_save',
      fd: stream.fd,
      args,
      scenario: {
        memory: this.workshop.file(guest),
        ...(vgpu === undefined ? {} : { vgpu: this.workshop.file(vgpu) }),
      },
      ...(options.options === undefined ? {} : { options: options.options }),
    });
    await xenopsd.save(live, vgpu !== undefined);
    await xenopsd.writeToStream(END_HEADER);
    assert.equal(await xenopsd.status(), 0);
    fs.closeSync(stream.fd);
    await arrivals.ended;
    return { wire: arrivals.bytes(), xenopsd };
  }

  /** A restore up to the moment when xenopsd has read its first header. */
  async beginRestore(
    wire: Buffer,
    options: {
      transport?: Transport;
      scenario?: FrontOptions['scenario'];
      args?: readonly string[];
      options?: readonly string[];
    } = {},
  ): Promise<BegunRestore> {
    const { transport = 'socket', scenario, ...rest } = options;
    const stream = this.stream(transport, false);
    const restored = this.workshop.file();
    const feeding = stream.feed(wire);
    const xenopsd = this.start({
      mode: 'hvm_restore',
      fd: stream.fd,
      scenario: { memory: restored, ...scenario },
      ...rest,
    });
    assert.ok((await xenopsd.readFromStream(16)).equals(LIBXC_HEADER));
    return { xenopsd, stream, restored, feeding };
  }

  /** A complete restore of a save's bytes. @returns the guest's memory stream */
  async restore(wire: Buffer, transport: Transport = 'socket'): Promise<Buffer> {
    const { xenopsd, stream, restored } = await this.beginRestore(wire, { transport });
    await xenopsd.say('restore:xenguest');
    await xenopsd.expect('result:xenguest 3 4');
    assert.ok((await xenopsd.readFromStream(16)).equals(END_HEADER));
    assert.equal(await xenopsd.status(), 0);
    xenopsd.checkFlags();
    stream.close();
    return fs.readFileSync(restored);
  }
}
