// Checks the first headers of a Xen stream, before the sender chooses a container.

import { DOMAIN_HEADER_BYTES, IMAGE_HEADER_BYTES } from './libxc-format.js';
import { XEN_HEADER_BYTES } from './headers.js';
import { type XenKind, XenWalk } from './wrapping.js';

/** Length of the headers at the start of every stream of this kind. */
export function xenHeadBytes(kind: XenKind): number {
  return kind === 'libxc' ? IMAGE_HEADER_BYTES + DOMAIN_HEADER_BYTES : XEN_HEADER_BYTES[kind];
}

/**
 * @param head the first xenHeadBytes() of the stream; fewer where it is shorter
 * @returns why the stream cannot be followed, or undefined
 */
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
