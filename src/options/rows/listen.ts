// The options of addresses that listen: which hosts may connect to a port, and which users to a unix socket.

import { fileMode, text, texts } from '../kinds.js';
import type { Rows } from '../row.js';

/** Who may connect to an address at which ramferry listens. Options for which no address listens fail with ERR_OPTION_INVALID. */
export interface ListenOptions {
  /**
   * Hosts that may connect to a `tcp-listen:` address: addresses or ranges (`10.1.0.0/16`, `2001:db8::/32`), IPv4 and IPv6. Others are
   * closed before they can say a byte. An IPv4 range holds for IPv4 hosts at an IPv6 listener, too. Default: any host.
   */
  readonly allow?: readonly string[] | undefined;
  /**
   * Permissions of `unix-listen:` sockets, in octal digits, `0600` to `0777`: who may write may connect. Default `0600`; `0660` where
   * `socketGroup` is given.
   */
  readonly socketMode?: string | undefined;
  /**
   * Group, by name or number, of `unix-listen:` sockets. The user must belong to it, or be root: else ERR_LINK_LISTEN. A group that does
   * not exist fails with ERR_OPTION_INVALID. Default: the process's.
   */
  readonly socketGroup?: string | undefined;
}

export const LISTEN_ROWS = {
  allow: {
    kind: texts(),
    help: 'address or range (10.1.0.0/16, 2001:db8::/32) that may connect to a tcp listener; repeat for more',
    commands: ['send', 'receive', 'serve'],
    default: [],
    defaultText: 'any',
  },
  socketMode: {
    kind: fileMode({ min: 0o600, max: 0o777 }),
    help: 'permissions of unix sockets that are made, in octal',
    commands: ['send', 'receive', 'serve'],
    defaultText: '0600; with --socket-group 0660',
    environment: true,
  },
  socketGroup: {
    kind: text(),
    help: 'group of unix sockets that are made, as kvm',
    commands: ['send', 'receive', 'serve'],
    environment: true,
  },
} as const satisfies Rows;
