// What the input is, by its first bytes or by declaration. Reads no more of it than that takes, so that a program that shares the
// descriptor finds the rest.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { containerOf, type StreamKind } from '../../grammar/detect.js';
import type { StreamFormat } from '../../grammar/formats.js';
import { incomplete } from '../../grammar/grammar.js';
import { unknownXenHead, xenHeadBytes } from '../../grammar/xen/head.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { ByteSource } from '../../io/bytes.js';
import { recognise } from '../plan/opening.js';
import { refuseCutHead, refuseIncomplete } from './stream-end.js';

export interface RecognisedInput {
  /** The bytes that were read to find out. */
  readonly head: Uint8Array;
  readonly kind: StreamKind;
  /** Why the input is sent as bytes of no known structure although its first bytes are known; undefined where it is not. */
  readonly opaqueBecause?: string | undefined;
}

/** @throws ERR_INPUT_UNKNOWN where the input is not what it was declared to be; ERR_INPUT_INCOMPLETE */
export async function recogniseInput(
  source: ByteSource,
  format: StreamFormat | 'auto',
): Promise<RecognisedInput> {
  // Xen streams are believed only with their first bytes: by those the receiver knows where to look for our records.
  if (format !== 'auto' && containerOf(format) !== 'xen') return { head: new Uint8Array(0), kind: format };
  const found = await recognise(source, source.file?.size);
  if (found.cut) refuseCutHead(source, found.head.length);
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

/**
 * A Xen stream whose first headers are not known has no place for records of ours: it is sent as any bytes are. These headers
 * belong to the stream whatever follows, so they may be read from a descriptor that others share.
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
