// Whether the first headers of a Xen stream are known, from its first bytes alone: before a container is chosen.

import { DOMAIN_HEADER_BYTES, IMAGE_HEADER_BYTES } from './libxc-format.js';
import { XEN_HEADER_BYTES } from './headers.js';
import { type XenKind, XenWalk } from './wrapping.js';

/** Bytes of the headers that every stream of this kind begins with. */
export function xenHeadBytes(kind: XenKind): number {
  return kind === 'libxc' ? IMAGE_HEADER_BYTES + DOMAIN_HEADER_BYTES : XEN_HEADER_BYTES[kind];
}

/** @param head xenHeadBytes() of the stream; less where it ends before. @returns why it cannot be followed, or undefined */
export function unknownXenHead(kind: XenKind, head: Uint8Array): string | undefined {
  const walk = new XenWalk(kind);
  const nothing = (): void => undefined;
  walk.scan(head, head.length < xenHeadBytes(kind), {
    full: false,
    between: nothing,
    flush: nothing,
    begin: nothing,
    body: () => 0,
    padding: nothing,
    end: nothing,
  });
  return walk.lostBecause;
}
