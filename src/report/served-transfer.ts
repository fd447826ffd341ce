// The end of one transfer of `ramferry serve`, as a line of text or JSON. Pure.

import type { Ended } from '../serve/outcomes.js';
import { kebabKeys } from '../transfer/statistics/kebab-keys.js';
import { formatDuration, formatSize } from '../units.js';

/** `{"message_type":"transfer","name":"web1","direction":"incoming","status":"completed",…}` */
export function endedLine(ended: Ended): string {
  return JSON.stringify({ message_type: 'transfer', ...kebabKeys(ended) });
}

export function formatEnded({
  name,
  direction,
  status,
  error,
  guestBytes,
  linkBytes,
  duration,
}: Ended): string {
  const figures = `${formatSize(guestBytes)}, ${formatSize(linkBytes)} on the link, ${formatDuration(duration)}`;
  const reason = error === undefined ? '' : `: ${error.code}: ${error.message}`;
  return `${name} ${direction}: ${status} (${figures})${reason}`;
}
