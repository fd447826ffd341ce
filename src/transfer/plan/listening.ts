// Who may connect where a transfer listens: from the options to those of the link layer. Refuses options that would be without
// effect, because a user who asks for protection must not go without.

import { RamferryError } from '../../errors.js';
import { type Address, isAbstract } from '../../link/address.js';
import { OWNER_ONLY, type SocketAccess } from '../../io/private-socket.js';
import { AllowList, isRange } from '../../link/listen/allow-list.js';
import type { OpenOptions } from '../../link/options.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';
import { groupId } from '../../os/groups.js';

type ListenValues = Pick<
  ResolvedSendOptions | ResolvedReceiveOptions,
  'allow' | 'socketMode' | 'socketGroup'
>;
export type ListenSettings = Pick<OpenOptions, 'allow' | 'socketAccess'>;

/** Permissions of a socket whose group was named, and no permissions. */
const GROUP_MODE = 0o660;

/**
 * @param addresses all addresses of the transfer or the server
 * @throws ERR_OPTION_INVALID for a range or a group that is none, or an option that no address is there for
 */
export function listenSettings(
  { allow, socketMode, socketGroup }: ListenValues,
  addresses: readonly Address[],
): ListenSettings {
  const ports = addresses.some(({ kind }) => kind === 'tcp-listen');
  const sockets = addresses.some((address) => address.kind === 'unix-listen' && !isAbstract(address.path));
  if (allow.length > 0 && !ports) throw invalid('allow', 'no tcp address listens', 'it is about tcp-listen:');
  const isRestricted = socketMode !== undefined || socketGroup !== undefined;
  if (isRestricted && !sockets) {
    const option = socketMode === undefined ? 'socketGroup' : 'socketMode';
    throw invalid(
      option,
      'no socket is made',
      'it is about unix-listen:PATH; abstract sockets have no permissions',
    );
  }
  const odd = allow.find((range) => !isRange(range));
  if (odd !== undefined) {
    throw invalid(
      'allow',
      `'${odd}' is no address and no range`,
      'write 10.1.2.3, 10.1.0.0/16 or 2001:db8::/32',
    );
  }
  return {
    allow: allow.length === 0 ? undefined : new AllowList(allow),
    socketAccess: isRestricted ? socketAccess(socketMode, socketGroup) : undefined,
  };
}

function socketAccess(mode: number | undefined, group: string | undefined): SocketAccess {
  if (group === undefined) return { ...OWNER_ONLY, ...(mode === undefined ? {} : { mode }) };
  const gid = groupId(group);
  if (gid === undefined)
    throw invalid('socketGroup', `there is no group '${group}'`, 'name one of getent group');
  return { mode: mode ?? GROUP_MODE, gid };
}

function invalid(option: string, why: string, hint: string): RamferryError {
  return new RamferryError('ERR_OPTION_INVALID', `${option}: ${why}`, { hint });
}
