// What send and receive share at their start: the options of the link layer, and the recognition of the input by its first bytes.

import { Buffer } from 'node:buffer';

import { Detector, type StreamKind } from '../../grammar/detect.js';
import type { ByteSource } from '../../io/bytes.js';
import type { OpenOptions } from '../../link/options.js';
import type { FewerThreads } from '../../pool/worker-pool.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';

type Opening = Pick<
  ResolvedSendOptions | ResolvedReceiveOptions,
  'connectTimeout' | 'ioTimeout' | 'force' | 'sync' | 'directIo' | 'signal' | 'onListening' | 'onWarning'
>;

/** The options of a transfer that concern both of its ends. */
export function openOptions(settings: Opening): OpenOptions {
  const { connectTimeout, ioTimeout, force, sync, directIo, signal, onListening, onWarning } = settings;
  return { connectTimeout, ioTimeout, force, sync, directIo, signal, onListening, onWarning };
}

/** Returns a callback that warns that the transfer continues with fewer threads. */
export function warnOfFewer(
  { onWarning }: Pick<ResolvedSendOptions, 'onWarning'>,
  wanted: number,
): FewerThreads {
  return (threads, reason) => {
    onWarning?.(`${threads} of ${wanted} threads could be started: ${reason.message}`);
  };
}

export interface Recognised {
  /** The bytes that were read for the recognition. */
  readonly head: Buffer;
  readonly kind: StreamKind;
  /** The input ended while its bytes could still begin a known stream. True for an empty input, too. */
  readonly cut: boolean;
}

/**
 * Recognises the input by its first bytes. Reads no more bytes than that takes: a bare libxc stream may share its descriptor with
 * another reader.
 * @param fileSize size of a regular file; a file of no known stream format may be a RAM image
 */
export async function recognise(source: ByteSource, fileSize?: number): Promise<Recognised> {
  // No time limit: the writer may begin at any time, and the link itself detects a dead peer.
  source.patience?.(0);
  const detector = new Detector(fileSize);
  const pieces: Buffer[] = [];
  while (detector.wanted > 0) {
    const piece = Buffer.alloc(detector.wanted);
    const got = await source.read(piece);
    if (got === 0) break;
    pieces.push(piece.subarray(0, got));
    detector.feed(piece.subarray(0, got));
  }
  const cut = detector.wanted > 0;
  return { head: Buffer.concat(pieces), kind: detector.end(), cut };
}
