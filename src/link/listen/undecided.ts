// A listener's channel while the peer is not yet identified and may wait for bytes from this side (newcomers.ts). Reads wait for
// the peer. Writes go to every waiting connection, and to later ones.

import { RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource, Channel } from '../../io/bytes.js';
import type { Newcomers } from './newcomers.js';
import { MIB } from '../../units.js';

/** Limit of the bytes that are written before the peer is known. Beyond it a write waits for the peer. */
const MAX_PREAMBLE_BYTES = MIB;

export interface UndecidedOptions {
  readonly label: string;
  readonly newcomers: Newcomers;
  /** The peer's channel; rejects when no peer connects. {@link UndecidedChannel.settle} is called before it resolves. */
  readonly peer: Promise<Channel>;
  /** Accepts no more connections, and rejects `peer` with the reason. */
  readonly stop: (reason: RamferryError) => void;
}

export class UndecidedChannel implements Channel {
  readonly duplex = true;
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly #options: UndecidedOptions;
  #peer: Channel | undefined;
  #over = false;
  #readPatience: number | undefined;
  #writePatience: number | undefined;

  constructor(options: UndecidedOptions) {
    this.#options = options;
    this.source = this.#makeSource();
    this.sink = this.#makeSink();
  }

  get fd(): number | undefined {
    return this.#peer?.fd;
  }

  /** Sets the peer. From now on, writes go to the peer only. */
  settle(peer: Channel): void {
    this.#peer = peer;
    if (this.#readPatience !== undefined) peer.source!.patience?.(this.#readPatience);
    if (this.#writePatience !== undefined) peer.sink!.patience?.(this.#writePatience);
  }

  #makeSource(): ByteSource {
    const { label, peer } = this.#options;
    return {
      label,
      read: (target) =>
        this.#peer === undefined
          ? peer.then(({ source }) => source!.read(target))
          : this.#peer.source!.read(target),
      patience: (milliseconds) => {
        this.#readPatience = milliseconds;
        this.#peer?.source!.patience?.(milliseconds);
      },
      close: async () => {
        this.#stop();
        await this.#peer?.source!.close();
      },
    };
  }

  #makeSink(): ByteSink {
    const { label, newcomers } = this.#options;
    return {
      label,
      write: (bytes) => this.#write(bytes),
      writeNow: async (bytes) => {
        if (this.#peer === undefined) newcomers.broadcastIfIdle(bytes);
        else await this.#peer.sink!.write(bytes);
      },
      queued: () => this.#peer?.sink!.queued() ?? 0,
      patience: (milliseconds) => {
        this.#writePatience = milliseconds;
        this.#peer?.sink!.patience?.(milliseconds);
      },
      finish: async (total) => {
        if (this.#peer !== undefined) return this.#peer.sink!.finish(total);
        await newcomers.finish();
        this.#stop();
      },
      abort: async () => {
        this.#stop();
        await this.#peer?.sink!.abort();
      },
    };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { newcomers, peer } = this.#options;
    if (this.#peer === undefined && newcomers.preambleBytes + bytes.length <= MAX_PREAMBLE_BYTES) {
      newcomers.broadcast(bytes);
      return;
    }
    const { sink } = this.#peer ?? (await peer);
    await sink!.write(bytes);
  }

  /** Stops waiting for the peer, if it has not connected. */
  #stop(): void {
    if (this.#over || this.#peer !== undefined) return;
    this.#over = true;
    this.#options.newcomers.close();
    this.#options.stop(
      new RamferryError('ERR_LINK_CLOSED', `${this.#options.label} was closed on this side`),
    );
  }
}
