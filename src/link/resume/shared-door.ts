// `SharedDoor`: one door for two kinds of later connections of a transfer: those that join it, and those that ask how it ended. A connection goes to
// the part whose judge accepts it. The door closes when both parts are closed.

import { Buffer } from 'node:buffer';

import { toRamferryError } from '../../errors.js';
import { ExactReader } from '../../io/exact-reader.js';
import { closedBecause } from '../listen/strangers.js';
import type { Door, Judge } from '../options.js';
import type { PeerLink } from '../peer-link.js';
import { INTRODUCTION_BYTES } from './joining.js';

interface Wanted {
  readonly judge: () => Judge;
  readonly onLink: (link: PeerLink) => void;
}

interface Part {
  wanted?: Wanted;
}

export class SharedDoor {
  readonly #door: Door;
  readonly #parts = new Set<Part>();
  #isOpen = false;

  constructor(door: Door) {
    this.#door = door;
  }

  /** A door for one kind. The caller must close it. Make all parts before the first is closed. */
  part(): Door {
    const part: Part = {};
    this.#parts.add(part);
    return {
      open: (judge, onLink) => {
        part.wanted = { judge, onLink };
        this.#open();
      },
      close: () => {
        if (this.#parts.delete(part) && this.#parts.size === 0) this.#door.close();
      },
    };
  }

  get #wanted(): Wanted[] {
    return [...this.#parts].flatMap(({ wanted }) => wanted ?? []);
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#door.open(
      () => new EitherJudge(this.#wanted.map(({ judge }) => judge())),
      (link) => void this.#hand(link),
    );
  }

  /** The judges have seen the first bytes: they are there. */
  async #hand(link: PeerLink): Promise<void> {
    try {
      const first = Buffer.alloc(INTRODUCTION_BYTES);
      await new ExactReader(link.source!, undefined, true).exactly(first);
      link.unread(first);
      const part = this.#wanted.find(({ judge }) => isAccepted(judge(), first));
      if (part === undefined) link.fail(closedBecause('it is not wanted any more'));
      else part.onLink(link);
    } catch (thrown) {
      link.fail(toRamferryError(thrown, 'ERR_LINK_CLOSED'));
    }
  }
}

/** Whether these are the whole first bytes that a judge wants. */
export function isAccepted(judge: Judge, first: Uint8Array): boolean {
  return judge.feed(first) === undefined && judge.wanted === 0;
}

/** Accepts what one of its judges accepts. All judge the same number of bytes. */
class EitherJudge implements Judge {
  #judges: readonly Judge[];

  constructor(judges: readonly Judge[]) {
    this.#judges = judges;
  }

  get wanted(): number {
    return Math.min(INTRODUCTION_BYTES, ...this.#judges.map(({ wanted }) => wanted));
  }

  feed(bytes: Uint8Array): string | undefined {
    let refusal: string | undefined = 'no later connection is wanted';
    const left: Judge[] = [];
    for (const judge of this.#judges) {
      const reason = judge.feed(bytes);
      if (reason === undefined) left.push(judge);
      else refusal = reason;
    }
    this.#judges = left;
    return left.length > 0 ? undefined : refusal;
  }
}
