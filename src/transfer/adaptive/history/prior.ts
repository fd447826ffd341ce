// What is known before anything was measured, and what a transfer has measured in the end. Data only; where it is kept and how long it
// is believed is the history's part (history.ts).

/** Costs of one codec on this host. */
export interface LearnedCosts {
  /** Nanoseconds of zstd level 1 for a byte that is neither zero nor a duplicate. */
  readonly codecNs: number;
  /** Encoded size of such a byte at zstd level 1, more than 0. */
  readonly size: number;
  /** Nanoseconds of a job beside the codec for a byte of guest memory. */
  readonly aroundNs: number;
  /** Nanoseconds of the main thread for a chunk. */
  readonly mainNsPerChunk: number;
  /** Nanoseconds of the main thread for a byte on the link. */
  readonly mainNsPerByte: number;
}

/** Costs that an earlier transfer has measured. */
export interface PriorCosts extends LearnedCosts {
  /** Chunks of this transfer that the figures are worth, more than 0: so many measured ones weigh as much. */
  readonly chunks: number;
}

/** What a link has carried. */
export interface LearnedLink {
  /** Bytes per second. */
  readonly rate: number;
  /** The link limited at this rate. False = it carried a part of the rate and never limited: the rate is an estimate. */
  readonly limited: boolean;
}

/** What is known before anything was measured. */
export interface FirstGuess {
  /** The level at which to begin, or near it; absent = the best by the other figures, or zstd 1 without a link rate. */
  readonly level?: number;
  /** Believed until the link limits at another rate, or keeps up with more. */
  readonly link?: LearnedLink;
  /** Absent = those of any guest and host (policy.ts). */
  readonly costs?: PriorCosts;
}

/** What a transfer has measured. */
export interface Learned {
  /** Absent where the link neither limited nor was loaded. */
  readonly link?: LearnedLink | undefined;
  /** Absent where too little was measured. */
  readonly costs?: LearnedCosts | undefined;
}
