// What is sent: somebody's stream, recognised by its first bytes, or a cargo that is made here; how it is walked, and in
// which container it leaves. Reads no more of the input than it takes to recognise it.

import type { Hello } from '../../control/negotiation.js';
import { NativeOutlet } from '../../container/native-outlet.js';
import type { Outlet } from '../../container/outlet.js';
import type { XenguestVersion } from '../../container/xenguest-mark.js';
import { XenguestOutlet } from '../../container/xenguest-outlet.js';
import { RamferryError } from '../../errors.js';
import { containerOf, grammarFor, type StreamKind } from '../../grammar/detect.js';
import { unknownXenHead, xenHeadBytes } from '../../grammar/xen/head.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import { type Grammar, GRAMMAR_ID, type GrammarName, incomplete } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { type Address, addressOf } from '../../link/address.js';
import type { Coding } from '../plan/coding.js';
import { recognise } from '../plan/opening.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import { refuseCutHead, refuseIncomplete } from './stream-end.js';

/** A stream that is made here and has a grammar of its own; its end is not yet the end of the transfer. */
export interface GeneratedStream {
  readonly grammar: Grammar;
  /** Memory that whoever makes the stream takes of the limit, in bytes. */
  readonly memoryBytes: number;
  /** Looks at what the receiver said first; what it throws ends the transfer. */
  greeted(hello: Hello): void;
  /** What comes when the sink has the whole stream: then the sink is still open. */
  delivered(): Promise<void>;
  /** The receiver may report success now. */
  mayEnd(): boolean;
}

/** What is sent, and how it is walked. */
export interface SendSource {
  readonly head: Uint8Array;
  /** Undefined where the workers read the pages of a regular file by themselves. */
  readonly grammar: Grammar | undefined;
  readonly name: GrammarName;
  /** Pages are told from each other by identities and may be sent again. */
  readonly identities: boolean;
  /** The input is read to its end, also behind the END of a bare libxc stream. */
  readonly followsEnd: boolean;
  /** Why the input is sent as bytes of no known structure although its first bytes are known; undefined where it is not. */
  readonly opaqueBecause?: string | undefined;
}

export async function recogniseLoad(
  cargo: GeneratedStream | undefined,
  source: ByteSource,
  settings: ResolvedSendOptions,
): Promise<SendSource> {
  if (cargo !== undefined) {
    const { grammar } = cargo;
    return { head: new Uint8Array(0), grammar, name: grammar.name, identities: true, followsEnd: false };
  }
  const found = await inputKind(settings.format, source);
  const { head, kind, opaqueBecause } = await followable(found, source);
  const hasNoPlace = settings.xenguestVersion === 1 && settings.method === 'xenguest';
  const followsEnd = isReadToItsEnd(addressOf(settings.input)) && !hasNoPlace;
  const grammar = grammarFor(kind, { atEnd: followsEnd ? 'follow' : 'stop' });
  const { name } = grammar;
  const byExtents = kind === 'raw' && source.file !== undefined && settings.method !== 'stream';
  const identities = name === 'qemu' || name === 'libxc';
  return { head, grammar: byExtents ? undefined : grammar, name, identities, followsEnd, opaqueBecause };
}

/**
 * Whether all of the input is ramferry's to read: a file, a named pipe or a command that it opened itself. What was inherited,
 * or belongs to a program that embeds ramferry, is read exactly to the END of a bare libxc stream, and so is a socket, whose
 * writer may wait there.
 */
function isReadToItsEnd(address: Address): boolean {
  if (address.kind === 'exec') return true;
  // These names open what was inherited once more, and a pipe has one content for all.
  return address.kind === 'file' && !/^\/(dev\/(stdin|fd\/)|proc\/)/.test(address.path);
}

/**
 * A Xen stream whose first headers are not known has no place for records of ours: it is sent as any bytes are. These headers
 * belong to the stream whatever follows, so they may be read from a descriptor that others share.
 */
async function followable(
  { head, kind }: { head: Uint8Array; kind: StreamKind },
  source: ByteSource,
): Promise<{ head: Uint8Array; kind: StreamKind; opaqueBecause?: string }> {
  if (containerOf(kind) !== 'xen') return { head, kind };
  const headers = Buffer.alloc(xenHeadBytes(kind as XenKind));
  headers.set(head);
  let filled = head.length;
  for (let got = 1; filled < headers.length && got > 0; filled += got) {
    got = await source.read(headers.subarray(filled));
  }
  if (filled < headers.length) {
    refuseIncomplete(incomplete(`it breaks off within the first headers of ${kind}`), source, filled);
  }
  const read = headers.subarray(0, filled);
  const opaqueBecause = unknownXenHead(kind as XenKind, read);
  return opaqueBecause === undefined ? { head: read, kind } : { head: read, kind: 'opaque', opaqueBecause };
}

/** What the input is, and the bytes of it that were read to find out. */
async function inputKind(
  format: ResolvedSendOptions['format'],
  source: ByteSource,
): Promise<{ head: Uint8Array; kind: StreamKind }> {
  // Xen streams are believed only with their first bytes: by those the receiver knows where to look for our records.
  const believed = format !== 'auto' && containerOf(format) !== 'xen';
  if (believed) return { head: new Uint8Array(0), kind: format };
  const found = await recognise(source, source.file?.size);
  if (found.cut) refuseCutHead(source, found.head.length);
  if (format === 'auto' || found.kind === format) return found;
  throw new RamferryError(
    'ERR_INPUT_UNKNOWN',
    `the input does not begin as a stream of format ${format} does`,
    {
      offset: 0,
      hint: 'leave --format out, or use --format opaque for any bytes',
    },
  );
}

/**
 * Version of method `xenguest` for this receiver; undefined where the native container serves it better: a receiver of
 * version 1 cannot be told that a Xen stream is compressed before its first chunk, and reads the native one as well.
 */
export function xenguestVersion(
  { xenguestVersion: asked }: Pick<ResolvedSendOptions, 'xenguestVersion'>,
  hello: Hello | undefined,
): XenguestVersion | undefined {
  if (asked === 1 || hello === undefined || hello.xenguest?.includes(2) === true) return asked ?? 2;
  return undefined;
}

/** How the stream leaves. @param xenguest as xenguestVersion() says */
export async function outletFor(
  { name, followsEnd }: SendSource,
  method: ResolvedSendOptions['method'],
  xenguest: XenguestVersion | undefined,
  { codec, chunkSize }: Coding,
  storeBytes: number,
  totalLength: number | undefined,
): Promise<Outlet> {
  if (method === 'stream') {
    if (codec === 'none') {
      throw new RamferryError('ERR_OPTION_INVALID', 'method stream has no frames for codec none or level 0', {
        hint: 'use a codec, or method xenguest',
      });
    }
    // Frames are cut like chunks of any kind of stream; a Xen stream's own end and flush points count all the same.
    const { FramesOutlet } = await import('../../container/frames-outlet.js');
    return new FramesOutlet(codec, chunkSize);
  }
  if (name === 'libxc' && xenguest !== undefined) {
    return new XenguestOutlet({ maxChunk: chunkSize, storeBytes }, xenguest, followsEnd);
  }
  return new NativeOutlet({
    grammar: GRAMMAR_ID[name],
    maxChunk: chunkSize,
    window: 1,
    storeBytes,
    totalLength,
  });
}
