// `recogniseInput`: determines the format of the input, from option --format or from its first bytes. Reads no more bytes than that
// takes, so that another program can read the rest from a shared descriptor.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { containerOf, refusePart, type StreamKind } from '../../grammar/detect.js';
import type { StreamFormat } from '../../grammar/formats.js';
import { incomplete } from '../../grammar/grammar.js';
import { unknownXenHead, xenHeadBytes } from '../../grammar/xen/head.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { ByteSource } from '../../io/bytes.js';
import { isReadToItsEnd } from '../plan/ends.js';
import { recognise } from '../plan/opening.js';
import type { InputFacts } from '../plan/plan-transfer.js';
import { refuseCutHead, refuseIncomplete } from './stream-end.js';

export interface RecognisedInput {
  /** The bytes that were read for the recognition. */
  readonly head: Uint8Array;
  readonly kind: StreamKind;
  /** Why the input is sent as bytes of unknown structure although its first bytes are known; undefined otherwise. */
  readonly opaqueBecause?: string | undefined;
}

/**
 * @param channel number of the hypervisor's connection among several; undefined where it has one
 * @throws ERR_INPUT_UNKNOWN when the input does not begin as `format` does, or is a part of a migration and comes alone;
 *   ERR_INPUT_INCOMPLETE when it ends within its first headers
 */
export async function recogniseInput(
  source: ByteSource,
  format: StreamFormat | 'auto',
  channel?: number,
): Promise<RecognisedInput> {
  if (channel !== undefined && channel > 0) return recogniseChannel(source);
  // A Xen stream is accepted only with its first bytes: by them the receiver finds ramferry's records.
  if (format !== 'auto' && containerOf(format) !== 'xen') return { head: new Uint8Array(0), kind: format };
  const found = await recognise(source, source.file?.size);
  if (found.cut) refuseCutHead(source, found.head.length);
  if (channel === undefined) refusePart(found.kind);
  if (format === 'auto' || found.kind === format) return followable(found, source);
  throw new RamferryError(
    'ERR_INPUT_UNKNOWN',
    `the input does not begin as a stream of format ${format} does`,
    {
      offset: 0,
      hint: 'leave --format out, or use --format opaque for any bytes',
    },
  );
}

/** A further channel of QEMU: of multifd, or one whose bytes are urgent. It may end without a byte: QEMU has not needed it. */
async function recogniseChannel(source: ByteSource): Promise<RecognisedInput> {
  const { head, kind } = await recognise(source);
  return { head, kind: kind === 'multifd' ? 'multifd' : 'urgent' };
}

/**
 * Turns a Xen stream with unknown first headers into kind `opaque`: such a stream has no place for ramferry's records. The headers
 * belong to the stream in any case, so they may be read from a shared descriptor.
 */
async function followable(
  { head, kind }: { readonly head: Uint8Array; readonly kind: StreamKind },
  source: ByteSource,
): Promise<RecognisedInput> {
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

/** What is known of an open input, for its plan. @param input its address */
export function inputFacts(
  { kind, opaqueBecause }: RecognisedInput,
  source: ByteSource,
  input: Parameters<typeof isReadToItsEnd>[0],
): InputFacts {
  return { kind, opaqueBecause, length: source.file?.size, isReadToItsEnd: isReadToItsEnd(input) };
}
