// Admission: so many transfers run at once, and the others wait in line, first come, first served. Each that waits hears its place
// whenever it changes.

/** One transfer in the line or past it. */
export interface Ticket {
  /** Resolves when the transfer may begin. Stays pending when leave() comes before. */
  readonly admitted: Promise<void>;
  /** Gives the place up, in line or running. Safe to call twice. */
  leave(): void;
}

interface Waiting {
  readonly onPlace: (ahead: number) => void;
  readonly admit: () => void;
}

export class Line {
  readonly #most: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  /** @param most transfers that run at once */
  constructor(most: number) {
    this.#most = most;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @param onPlace called with the number of transfers that come before this one, at least 1 */
  enter(onPlace: (ahead: number) => void): Ticket {
    let state = 'waiting' as 'waiting' | 'running' | 'over';
    let waiting: Waiting | undefined;
    const admitted = new Promise<void>((resolve) => {
      waiting = {
        onPlace,
        admit: () => {
          state = 'running';
          resolve();
        },
      };
    });
    this.#waiting.push(waiting!);
    this.#serve();
    if (state === 'waiting') onPlace(this.#waiting.length);
    return {
      admitted,
      leave: () => {
        if (state === 'running') this.#running--;
        else if (state === 'waiting') this.#remove(waiting!);
        state = 'over';
        this.#serve();
      },
    };
  }

  #remove(waiting: Waiting): void {
    const at = this.#waiting.indexOf(waiting);
    this.#waiting.splice(at, 1);
    this.#tellPlaces(at);
  }

  #serve(): void {
    let served = false;
    while (this.#running < this.#most && this.#waiting.length > 0) {
      this.#running++;
      this.#waiting.shift()!.admit();
      served = true;
    }
    if (served) this.#tellPlaces(0);
  }

  /** @param from index from which places have changed */
  #tellPlaces(from: number): void {
    this.#waiting.slice(from).forEach(({ onPlace }, index) => onPlace(from + index + 1));
  }
}
