// `send` and `receive` of the public API: with one connection of the hypervisor, or with several.

import type { ReceiveOptions, SendOptions } from '../options/transfer.js';
import { receive as receiveOne } from '../transfer/receive.js';
import { send as sendOne } from '../transfer/send.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';

/** Whether the options ask for more than one connection, or for a number that there is none of. */
export function wantsSeveral({
  hypervisorConnections = 1,
}: Pick<SendOptions, 'hypervisorConnections'>): boolean {
  return hypervisorConnections !== 1;
}

/**
 * Sends a stream or a RAM image, compressed. Recognises what the input is, opens both ends, and negotiates with the receiver where the
 * link goes both ways. When it rejects, everything is closed and no output file is left behind.
 * @returns the figures of the transfer. On links that go both ways the receiver has confirmed that it has everything.
 * @throws RamferryError ERR_OPTION_INVALID, ERR_MEMORY_LIMIT (before anything is opened); ERR_INPUT_…, ERR_OUTPUT_…, ERR_LINK_…,
 *   ERR_PEER_FAILED; ERR_INPUT_INCOMPLETE when the input breaks off before its own end; ERR_OUTCOME_UNKNOWN when the receiver may
 *   have everything and did not say so
 * @example
 * ```ts
 * import { send } from 'ramferry';
 *
 * const { ram, totalTime } = await send({ input: 'guest.ram', output: 'guest.rf', codec: 'zstd', compressLevel: 3 });
 * console.log(`${ram.total / ram.transferred} : 1 in ${totalTime} ms`);
 * ```
 */
export async function send(options: SendOptions): Promise<TransferSummary> {
  // Loaded where it is needed: a module costs time at the start.
  return wantsSeveral(options) ? (await import('./send.js')).sendChannels(options) : sendOne(options);
}

/**
 * Receives what send has written, and restores the identical bytes. Reads Xen streams and frames of zstd, lz4 and gzip, too. When it
 * rejects, everything is closed and no output file has its final name.
 * @returns the figures of the transfer; status `completed` when a digest has verified all bytes, else `unverified`
 * @throws RamferryError ERR_OPTION_INVALID, ERR_MEMORY_LIMIT (before anything is opened); ERR_STREAM_… (the stream is damaged or not
 *   what it should be), ERR_INPUT_…, ERR_OUTPUT_…, ERR_LINK_…
 * @example
 * ```ts
 * import { receive, send } from 'ramferry';
 *
 * await send({ input: 'guest.ram', output: 'guest.rf' });
 * const { status } = await receive({ input: 'guest.rf', output: 'restored.ram', maxSize: '1GiB' });
 * console.assert(status === 'completed');
 * ```
 */
export async function receive(options: ReceiveOptions): Promise<TransferSummary> {
  return wantsSeveral(options)
    ? (await import('./receive.js')).receiveChannels(options)
    : receiveOne(options);
}
