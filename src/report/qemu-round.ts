// A round of QEMU's pre-copy, as a line for people and as a JSON line. Pure.

import type { QemuRound } from '../hypervisor/qemu/whole/rounds.js';
import { kebabKeys } from '../transfer/statistics/kebab-keys.js';
import { formatDuration, formatSize } from '../units.js';

/** `round 2: 12.0 MiB left, downtime-limit 300 ms` */
export function formatQemuRound({ round, remaining, downtimeLimit }: QemuRound): string {
  return `round ${round}: ${formatSize(remaining)} left, downtime-limit ${formatDuration(downtimeLimit)}`;
}

/** `{"message_type":"qemu-round","round":2,"remaining":12582912,"downtime-limit":300}` */
export function qemuRoundLine(round: QemuRound): string {
  return JSON.stringify({ message_type: 'qemu-round', ...kebabKeys(round) });
}
