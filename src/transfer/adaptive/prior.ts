// What is known before anything was measured: from the options, or remembered from earlier transfers. Data only; says nothing about
// where it comes from or how old it may be. The caller lowers the weight of what is old.

/** Costs that an earlier transfer has measured on this host, with this codec. */
export interface PriorCosts {
  /** Nanoseconds of zstd level 1 for a byte that is neither zero nor a duplicate. */
  readonly codecNs: number;
  /** Encoded size of such a byte at zstd level 1, more than 0. */
  readonly size: number;
  /** Nanoseconds of a job beside the codec for a byte of guest memory. */
  readonly aroundNs: number;
  /** Chunks of this transfer that the figures are worth, more than 0: so many measured ones weigh as much. */
  readonly chunks: number;
}

/** What is known before anything was measured. */
export interface FirstGuess {
  /** The level at which to begin, or near it; absent = the best by the other figures, or zstd 1 without a link rate. */
  readonly level?: number;
  /** Bytes per second that the link carries. Believed until it limits at another rate, or keeps up with more. */
  readonly linkRate?: number;
  /** Absent = those of any guest and host (policy.ts). */
  readonly costs?: PriorCosts;
}
