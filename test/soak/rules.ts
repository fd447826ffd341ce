// The rule of docs/INTEGRATION.md as a pure function. It takes the reports of both ends and the state of the destination,
// and returns the violations of a trial. An end that the trial killed has reported nothing.

export type Outcome = 'completed' | 'failed' | 'incomplete' | 'unknown' | 'killed';

export interface End {
  /** Exit status; null when a signal ended the process. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** A signal of the trial has ended the process: SIGKILL, or another one before the command had its handler. */
  readonly killed: boolean;
  /** The process did not end in time. */
  readonly hung: boolean;
  /** A JSON line has reported the outcome. */
  readonly said: boolean;
}

export interface Destination {
  /** absent; whole: identical to what was sent; other: present and not identical. */
  readonly output: 'absent' | 'whole' | 'other';
  /** Names of temporary files that were left behind. */
  readonly leftovers: readonly string[];
}

export interface Trial {
  readonly sender: End;
  readonly receiver: End | undefined;
  readonly destination: Destination;
  /** Whether the receiver acknowledges to the sender. Then the sender's outcome counts, otherwise the receiver's. */
  readonly duplex: boolean;
  /** Hypervisors at both ends. The source's own outcome counts, and the destination waits for it. */
  readonly guests?: { readonly source: End; readonly destination: End };
}

export type Violation =
  | 'half file'
  | 'false success'
  | 'doubled'
  | 'hang'
  | 'crash'
  | 'silent'
  | 'leftover'
  /** An end reports a whole input as incomplete. */
  | 'false incomplete';

const INTERNAL = 1;

/** The outcome that an end reported, by its exit status. */
export function outcomeOf({ status, killed }: End): Outcome {
  if (killed && status === null) return 'killed';
  if (status === 0) return 'completed';
  if (status === 7) return 'unknown';
  if (status === 9) return 'incomplete';
  return 'failed';
}

export function violations({ sender, receiver, destination, duplex, guests }: Trial): Violation[] {
  const found = new Set<Violation>();
  const ends = [sender, ...(receiver === undefined ? [] : [receiver])];
  if (guests !== undefined) ends.push(guests.source, guests.destination);
  for (const end of ends) {
    if (end.hung) found.add('hang');
    // Node's own status 13: the event loop was empty before the command had finished.
    else if (end.status === null ? !end.killed : end.status === INTERNAL || end.status === 13)
      found.add('crash');
    else if (end.status !== null && !end.said) found.add('silent');
  }
  const { output, leftovers } = destination;
  if (output === 'other') found.add('half file');
  const writer = receiver ?? sender;
  if (leftovers.length > 0 && !(writer.killed && writer.status === null)) found.add('leftover');
  const senderOutcome = outcomeOf(sender);
  if (guests !== undefined) {
    const [source, restored] = [outcomeOf(guests.source), outcomeOf(guests.destination)];
    const { killed, status } = guests.destination;
    // A destination that a signal ended may have received and acknowledged the guest before.
    if (killed || status === 130 || status === 143) return [...found];
    // The source guest is destroyed after its own `completed`; the destination waits for that.
    if (source === 'completed' && restored !== 'completed') found.add('false success');
    if (senderOutcome === 'completed' && restored === 'failed') found.add('false success');
    return [...found];
  }
  const receiverOutcome = receiver === undefined ? undefined : outcomeOf(receiver);
  if (receiverOutcome === 'completed' && output !== 'whole') found.add('false success');
  if (senderOutcome === 'incomplete') found.add('false incomplete');
  if (duplex || receiver === undefined) {
    // The source guest is destroyed after `completed`, and continues after `failed` or `incomplete`.
    if (senderOutcome === 'completed' && output !== 'whole') found.add('false success');
    if ((senderOutcome === 'failed' || senderOutcome === 'incomplete') && output === 'whole')
      found.add('doubled');
  }
  return [...found];
}
