// What is sent: somebody's stream, recognised by its first bytes, or a cargo that is made here; how it is walked, and in
// which container it leaves. Reads no more of the input than it takes to recognise it.

import type { Hello } from '../container/negotiation.js';
import { NativeOutlet } from '../container/native-outlet.js';
import type { Outlet } from '../container/outlet.js';
import { XenguestOutlet } from '../container/xenguest-outlet.js';
import { RamferryError } from '../errors.js';
import { containerOf, grammarFor, type StreamKind } from '../grammar/detect.js';
import { type Grammar, GRAMMAR_ID, type GrammarName } from '../grammar/grammar.js';
import type { ByteSource } from '../io/bytes.js';
import type { Coding } from './coding.js';
import { recognise } from './opening.js';
import type { ResolvedSendOptions } from './options.js';
import { refuseCutHead } from './stream-end.js';

/** A stream that is made here and has a grammar of its own; its end is not yet the end of the transfer. */
export interface Cargo {
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
export interface Load {
  readonly head: Uint8Array;
  /** Undefined where the workers read the pages of a regular file by themselves. */
  readonly grammar: Grammar | undefined;
  readonly name: GrammarName;
  /** Pages are told from each other by identities and may be sent again. */
  readonly identities: boolean;
}

export async function recogniseLoad(
  cargo: Cargo | undefined,
  source: ByteSource,
  settings: ResolvedSendOptions,
): Promise<Load> {
  if (cargo !== undefined) {
    const { grammar } = cargo;
    return { head: new Uint8Array(0), grammar, name: grammar.name, identities: true };
  }
  const { head, kind } = await inputKind(settings.format, source);
  const grammar = grammarFor(kind);
  const { name } = grammar;
  const byExtents = kind === 'raw' && source.file !== undefined && settings.method !== 'stream';
  const identities = name === 'qemu' || name === 'libxc';
  return { head, grammar: byExtents ? undefined : grammar, name, identities };
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

/** How the stream leaves. */
export async function outletFor(
  { name }: Load,
  method: ResolvedSendOptions['method'],
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
    const { FramesOutlet } = await import('../container/frames-outlet.js');
    return new FramesOutlet(codec, chunkSize);
  }
  if (name === 'libxc') return new XenguestOutlet({ maxChunk: chunkSize, storeBytes });
  return new NativeOutlet({
    grammar: GRAMMAR_ID[name],
    maxChunk: chunkSize,
    window: 1,
    storeBytes,
    totalLength,
  });
}

/** A bare libxc stream ends at its END; in a file nobody else reads what follows. @param taken bytes that were sent */
export function warnOfRest(settings: ResolvedSendOptions, source: ByteSource, taken: number): void {
  const left = (source.file?.size ?? taken) - taken;
  if (left <= 0) return;
  settings.onWarning?.(
    `${left} bytes after the END record in ${source.label} were not sent: they are not part of the stream`,
  );
}
