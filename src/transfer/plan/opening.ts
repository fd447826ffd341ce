// What send and receive tell the link layer, and how they look at the first bytes of their input.

import { Buffer } from 'node:buffer';

import { Detector, type StreamKind } from '../../grammar/detect.js';
import type { ByteSource } from '../../io/bytes.js';
import type { OpenOptions } from '../../link/options.js';
import type { FewerThreads } from '../../pool/worker-pool.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';

/** The options of a transfer that concern its links. */
export function openOptions(settings: ResolvedSendOptions | ResolvedReceiveOptions): OpenOptions {
  const { connectTimeout, ioTimeout, force, sync, directIo, signal, onListening, onWarning } = settings;
  return { connectTimeout, ioTimeout, force, sync, directIo, signal, onListening, onWarning };
}

/** Warns that a transfer goes on with fewer threads. */
export function warnOfFewer(
  { onWarning }: Pick<ResolvedSendOptions, 'onWarning'>,
  wanted: number,
): FewerThreads {
  return (threads, reason) => {
    onWarning?.(`${threads} of ${wanted} threads could be started: ${reason.message}`);
  };
}

export interface Recognised {
  /** The bytes that were read to find out. */
  readonly head: Buffer;
  readonly kind: StreamKind;
  /** The input ended while its bytes could still be the beginning of a known stream; also when it had none. */
  readonly cut: boolean;
}

/**
 * Reads no more than is needed to say what the input is: of a bare libxc stream not one byte too many may be taken.
 * @param fileSize size of a regular file, which may be a RAM image that nothing else claims
 */
export async function recognise(source: ByteSource, fileSize?: number): Promise<Recognised> {
  // The writer may begin at any time; the link itself detects a dead peer.
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
