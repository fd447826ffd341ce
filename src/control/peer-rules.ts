// What each command knows its peer by when it listens (link/listen/newcomers.ts): the first bytes of a stream, of a receiver's
// hello, of a probe. Judges only look at magics; whether the rest keeps what the magic promises the transfer finds out.
// Messages never hold the bytes themselves: a stranger's first bytes may be guest memory.

import { CONTROL_MAGIC, PROBE_MAGIC } from './messages.js';
import { Detector } from '../grammar/detect.js';
import { NATIVE_MAGIC } from '../grammar/magics.js';
import type { Judge, PeerRules } from '../link/options.js';

/** A receiver says hello as soon as it is connected. */
const HELLO_MS = 5_000;

/** What programs that are not meant for this port say first. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['GET', 'POS', 'PUT', 'HEA', 'OPT', 'CON', 'DEL', 'PAT', 'PRI', 'TRA'],
  TLS: ['\u0016\u0003'],
  SSH: ['SSH'],
};

function foreign(bytes: Buffer, otherwise: string): string {
  const text = bytes.toString('latin1');
  for (const [name, starts] of Object.entries(FOREIGN)) {
    if (starts.some((start) => text.startsWith(start))) return `it speaks ${name}`;
  }
  return otherwise;
}

/** Any stream that `receive` recognises. */
class StreamJudge implements Judge {
  readonly #detector = new Detector();
  #seen = Buffer.alloc(0);

  get wanted(): number {
    return this.#detector.wanted;
  }

  feed(bytes: Uint8Array): string | undefined {
    this.#seen = Buffer.concat([this.#seen, bytes]);
    if (this.#detector.feed(bytes) !== 'opaque') return undefined;
    return foreign(this.#seen, 'it sends no stream that `receive` knows (--pass-through takes any bytes)');
  }
}

/** One magic. */
class MagicJudge implements Judge {
  readonly #magic: Uint8Array;
  readonly #otherwise: string;
  #seen = Buffer.alloc(0);

  constructor(magic: Uint8Array, otherwise: string) {
    this.#magic = magic;
    this.#otherwise = otherwise;
  }

  get wanted(): number {
    return this.#magic.length - this.#seen.length;
  }

  feed(bytes: Uint8Array): string | undefined {
    this.#seen = Buffer.concat([this.#seen, bytes]);
    if (this.#seen.equals(this.#magic.subarray(0, this.#seen.length))) return undefined;
    return foreign(this.#seen, this.#otherwise);
  }
}

/** One byte, whatever it is. */
class ByteJudge implements Judge {
  wanted = 1;

  feed(): undefined {
    this.wanted = 0;
  }
}

/** Where a hypervisor connects. No protocol can be asked for, and the hypervisor may take its time before the first byte. */
export function hypervisor(): PeerRules {
  return { judge: () => new ByteJudge(), silence: 0, mayWaitForUs: true };
}

/** Where any program connects that has something to say, and hears nothing. */
export function speaker(): PeerRules {
  return { judge: () => new ByteJudge(), silence: 0 };
}

/**
 * Where a sender connects. It says nothing before its hypervisor has begun, and may be waiting for the bytes that the
 * destination's hypervisor says first.
 */
export function sender(passThrough: boolean, onConnection: () => void): PeerRules {
  const judge = (): Judge => (passThrough ? new ByteJudge() : new StreamJudge());
  return { judge, silence: 0, mayWaitForUs: true, onConnection };
}

/** Where a receiver connects, which speaks first. */
export function receiver(): PeerRules {
  return { judge: () => new MagicJudge(CONTROL_MAGIC, 'it is no ramferry receiver'), silence: HELLO_MS };
}

/** Where `migrate` connects. @param silence milliseconds that it may take to begin */
export function migration(silence: number): PeerRules {
  return { judge: () => new MagicJudge(NATIVE_MAGIC, 'it is no `ramferry migrate`'), silence };
}

/** Where `tune --probe` connects. */
export function prober(): PeerRules {
  return { judge: () => new MagicJudge(PROBE_MAGIC, 'it is no `ramferry tune --probe`'), silence: HELLO_MS };
}
