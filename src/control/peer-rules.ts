// By which first bytes a listening command accepts its peer (link/listen/newcomers.ts): those of a stream, of a receiver's hello, of a
// probe. Judges look at magics only; the transfer checks what follows. Messages never quote the bytes: a stranger's first bytes may be
// guest memory.

import { CONTROL_MAGIC, PROBE_MAGIC } from './messages.js';
import { Detector } from '../grammar/detect.js';
import { NATIVE_MAGIC } from '../grammar/magics.js';
import { CONVERSATION_MAGIC, LIVING_MAGIC } from '../link/resume/packet.js';
import type { Judge, PeerRules } from '../link/options.js';

/** How long a peer that must speak at once may be silent. */
const HELLO_MS = 5_000;

/** What is said of programs that are not meant for this port → their first bytes. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  'it speaks HTTP': ['GET', 'POS', 'PUT', 'HEA', 'OPT', 'CON', 'DEL', 'PAT', 'PRI', 'TRA'],
  'it speaks TLS, and this side has no --tls-creds': ['\u0016\u0003'],
  'it speaks SSH': ['SSH'],
};

function foreign(bytes: Buffer, otherwise: string): string {
  const text = bytes.toString('latin1');
  const known = Object.entries(FOREIGN).find(([, starts]) => starts.some((start) => text.startsWith(start)));
  return known?.[0] ?? otherwise;
}

/** Any stream that `receive` recognises, or the opening of a conversation that it has offered. */
class StreamJudge implements Judge {
  readonly #detector = new Detector();
  readonly #offered: readonly Uint8Array[];
  #seen = Buffer.alloc(0);

  /** @param offered magics of conversations, each of 8 bytes */
  constructor(offered: readonly Uint8Array[]) {
    this.#offered = offered;
  }

  get wanted(): number {
    const left = CONVERSATION_MAGIC.length - this.#seen.length;
    if (left <= 0 || !this.#mayOpen) return this.#detector.wanted;
    return this.#detector.wanted === 0 ? left : Math.min(left, this.#detector.wanted);
  }

  /** What was seen may begin the magic of a conversation. */
  get #mayOpen(): boolean {
    const { length } = this.#seen;
    return this.#offered.some((magic) => this.#seen.equals(magic.subarray(0, length)));
  }

  feed(bytes: Uint8Array): string | undefined {
    this.#seen = Buffer.concat([this.#seen, bytes]);
    if (this.#detector.feed(bytes) !== 'opaque' || this.#mayOpen) return undefined;
    return foreign(this.#seen, 'it sends no stream that `receive` knows (--pass-through takes any bytes)');
  }
}

/** A stream or hello that begins with one of these magics. */
class MagicJudge implements Judge {
  /** All of one length. */
  readonly #magics: readonly Uint8Array[];
  readonly #otherwise: string;
  #seen = Buffer.alloc(0);

  constructor(magics: readonly Uint8Array[], otherwise: string) {
    this.#magics = magics;
    this.#otherwise = otherwise;
  }

  get wanted(): number {
    return this.#magics[0]!.length - this.#seen.length;
  }

  feed(bytes: Uint8Array): string | undefined {
    this.#seen = Buffer.concat([this.#seen, bytes]);
    const { length } = this.#seen;
    if (this.#magics.some((magic) => this.#seen.equals(magic.subarray(0, length)))) return undefined;
    return foreign(this.#seen, this.#otherwise);
  }
}

/** Any first byte. */
class ByteJudge implements Judge {
  wanted = 1;

  feed(): undefined {
    this.wanted = 0;
  }
}

/** Where a hypervisor connects: any protocol, and any time before the first byte. */
export function hypervisor(): PeerRules {
  return { judge: () => new ByteJudge(), silence: 0, mayListenFirst: true };
}

/** Where any program connects that writes and does not read. */
export function speaker(): PeerRules {
  return { judge: () => new ByteJudge(), silence: 0 };
}

/**
 * Where a sender connects. It sends nothing before its hypervisor begins, and may wait for the first bytes of the destination's
 * hypervisor.
 * @param isResumable the greeting offers conversation version 2 besides version 3
 */
export function sender(passThrough: boolean, isResumable: boolean, onConnection: () => void): PeerRules {
  const offered = isResumable ? [CONVERSATION_MAGIC, LIVING_MAGIC] : [LIVING_MAGIC];
  const judge = (): Judge => (passThrough ? new ByteJudge() : new StreamJudge(offered));
  return { judge, silence: 0, mayListenFirst: true, onConnection };
}

/** Where a receiver connects, which sends its hello at once. */
export function receiver(): PeerRules {
  return { judge: () => new MagicJudge([CONTROL_MAGIC], 'it is no ramferry receiver'), silence: HELLO_MS };
}

/**
 * Where `migrate` connects.
 * @param silence milliseconds that it may take to begin
 * @param isResumable the greeting offers conversation version 2 besides version 3
 */
export function migration(silence: number, isResumable: boolean): PeerRules {
  const magics = [NATIVE_MAGIC, LIVING_MAGIC, ...(isResumable ? [CONVERSATION_MAGIC] : [])];
  return { judge: () => new MagicJudge(magics, 'it is no `ramferry migrate`'), silence };
}

/** Where `tune --probe` connects. */
export function prober(): PeerRules {
  return {
    judge: () => new MagicJudge([PROBE_MAGIC], 'it is no `ramferry tune --probe`'),
    silence: HELLO_MS,
  };
}
