// In which container a stream leaves, and how much room a record takes there. Pure.

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
  /** Records of our own, header and END around them. */
  | { readonly kind: 'native' }
  /** Records inside a libxc stream. */
  | { readonly kind: 'xenguest'; readonly version: XenguestVersion }
  /** Standard frames; their formats have the names of the codecs. */
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
    // Frames are cut like chunks of any stream; a Xen stream's own end and flush points count all the same.
    return { kind: 'frames', codec };
  }
  const version = grammar === 'libxc' ? chooseXenguest(xenguestVersion, hello) : undefined;
  return version === undefined ? { kind: 'native' } : { kind: 'xenguest', version };
}

/**
 * Undefined where the native container serves the receiver better: one of version 1 cannot be told that a Xen stream is
 * compressed before its first chunk, and reads the native container as well.
 */
function chooseXenguest(
  asked: XenguestVersion | undefined,
  hello: Hello | undefined,
): XenguestVersion | undefined {
  if (asked === 1 || hello === undefined || hello.xenguest?.includes(2) === true) return asked ?? 2;
  return undefined;
}

/** Most bytes that a chunk of this size can take in the container. */
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
