// What is known of the link, as a state: LinkGauge moves between these once an interval, and nowhere else. Types only.
//
//     stateDiagram-v2
//       [*] --> unknown
//       [*] --> limiting: the rate is given
//       unknown --> raising: a probe passed without back-pressure
//       unknown --> limiting: limited a probe, limited for confirmMs, or drained without a rest
//       raising --> raising: still no back-pressure, raise again
//       raising --> limiting: limited for confirmMs, or drained without a rest
//       limiting --> limiting: limits again, smooth the rate
//       limiting --> free: no back-pressure
//       free --> limiting: back-pressure, or a probe that shows no more
//       free --> raising: a probe passed faster; without probes: loaded, and free for raiseAfterMs or raiseSoonMs
//       limiting --> raising: the same within one interval, or at once after a jump
//       limiting --> slowed: consecutive slow writes while both sides wait
//       unknown --> slowed: the same
//       raising --> slowed: the same
//       free --> slowed: the same
//       slowed --> slowed: slow writes go on
//       slowed --> limiting: limits without further slow writes
//       slowed --> free: as from limiting
//       slowed --> raising: as from limiting

/** Nothing is known: a choice would be a guess. */
interface Unknown {
  readonly name: 'unknown';
  /** Since when the link has limited; it must last for confirmMs. */
  readonly limitingSince?: number | undefined;
}

/** The link does not limit. The rate is an estimate above all that was seen, so that the next choice finds out. */
interface Raising {
  readonly name: 'raising';
  readonly rate: number;
  /** The measured rate that the estimate left; 0 = the link was never measured. */
  readonly raisedFrom: number;
  /** As in `unknown`. */
  readonly limitingSince?: number | undefined;
}

/** The rate was measured while the link limited. The measurement stands until the link proves that it carries more. */
interface Limiting {
  readonly name: 'limiting';
  readonly rate: number;
  /** The measurement was far above the one before: the link changed during the interval. */
  readonly jumped: boolean;
}

/** As `limiting`, with the rate of the last slow writes: what was remembered of a faster link is void. */
interface Slowed {
  readonly name: 'slowed';
  readonly rate: number;
  readonly jumped: boolean;
}

/** The rate was measured, and the link does not limit. */
interface Free {
  readonly name: 'free';
  readonly rate: number;
  readonly jumped: boolean;
  /** Since when. */
  readonly since: number;
}

/** The rate is a measurement, not an estimate. */
export type MeasuredLink = Limiting | Slowed | Free;
/** The rate is an estimate, or unknown. */
export type EstimatedLink = Unknown | Raising;
export type LinkState = MeasuredLink | EstimatedLink;

export function isMeasured(state: LinkState): state is MeasuredLink {
  return state.name === 'limiting' || state.name === 'slowed' || state.name === 'free';
}
