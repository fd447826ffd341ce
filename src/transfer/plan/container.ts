// Decides the container of a stream, and bounds the size of a record in it. Pure.

import { recordCapacity } from '../../chunk/encode.js';
import type { CodecName } from '../../codec/codec.js';
import { unitBound } from '../../container/frames/bounds.js';
import { CHUNK_PREFIX_BYTES } from '../../container/xenguest.js';
import type { XenguestVersion } from '../../container/xenguest-mark.js';
import type { Hello } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import type { GrammarName } from '../../grammar/grammar.js';
import type { Method } from '../../options/amounts.js';

export type ContainerPlan =
  /** Records of ramferry's own format, between a header and END. */
  | { readonly kind: 'native' }
  /** Records inside a libxc stream. */
  | { readonly kind: 'xenguest'; readonly version: XenguestVersion }
  /** Standard frames. The codec's name is also the name of the frame format. */
  | { readonly kind: 'frames'; readonly codec: Exclude<CodecName, 'none'> };

export interface ContainerQuestion {
  readonly method: Method;
  /** The version of method `xenguest` that the user asked for. */
  readonly xenguestVersion?: XenguestVersion | undefined;
  readonly codec: CodecName;
  readonly grammar: GrammarName;
  readonly hello: Hello | undefined;
}

/** @throws ERR_OPTION_INVALID where method `stream` has no frames for the codec */
export function chooseContainer(question: ContainerQuestion): ContainerPlan {
  const { method, xenguestVersion, codec, grammar, hello } = question;
  if (method === 'stream') {
    if (codec === 'none') {
      throw new RamferryError('ERR_OPTION_INVALID', 'method stream has no frames for codec none or level 0', {
        hint: 'use a codec, or method xenguest',
      });
    }
    // Frames are cut like chunks of any stream. A Xen stream keeps its own end and its flush points.
    return { kind: 'frames', codec };
  }
  const version = grammar === 'libxc' ? chooseXenguest(xenguestVersion, hello) : undefined;
  return version === undefined ? { kind: 'native' } : { kind: 'xenguest', version };
}

/**
 * The version of method `xenguest`; undefined = use the native container. A receiver that reads only version 1 learns at the first
 * chunk that a Xen stream is compressed. The native container says so in its header, and that receiver reads it too.
 */
function chooseXenguest(
  asked: XenguestVersion | undefined,
  hello: Hello | undefined,
): XenguestVersion | undefined {
  if (asked === 1 || hello === undefined || hello.xenguest?.includes(2) === true) return asked ?? 2;
  return undefined;
}

/** Upper bound of the bytes that a chunk of this size takes in the container. */
export function recordRoom(container: ContainerPlan, chunkSize: number): number {
  switch (container.kind) {
    case 'native':
      return recordCapacity(chunkSize);
    case 'xenguest':
      return CHUNK_PREFIX_BYTES + recordCapacity(chunkSize);
    case 'frames':
      return unitBound(container.codec, chunkSize);
  }
}
