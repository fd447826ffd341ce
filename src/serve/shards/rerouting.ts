// Hands a later connection from the shard that got it to the shard that carries its transfer. The parent sees the connection's first bytes and no others.

import { socketPair } from '../../link/pair.js';
import type { FromShard } from './messages.js';
import type { Shard } from './shard.js';

type Request = Extract<FromShard, { kind: 'elsewhere' }>;

/** @param others the shards that may carry the transfer. Never rejects */
export async function reroute(from: Shard, others: readonly Shard[], asked: Request): Promise<void> {
  const { request, first, provenName } = asked;
  const has = await Promise.all(others.map((shard) => shard.seek(first)));
  const target = others.find((_, index) => has[index]);
  const pair = target && (await socketPair().catch(() => undefined));
  if (pair === undefined) {
    from.tell({ kind: 'elsewhere', request });
    return;
  }
  const [near, far] = pair;
  target!.hand(far, { kind: 'later', first, provenName });
  from.hand(near, { kind: 'elsewhere', request });
}
