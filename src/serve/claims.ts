// Who carries which guest: a guest migrates once at a time. A claim holds from before the guest's place in line until its transfer
// has ended, and numbers the transfer.

export type Direction = 'incoming' | 'outgoing';

export interface Claims {
  /** @returns the transfer's number; undefined where a transfer of this guest waits or runs */
  take(direction: Direction, name: string): Promise<number | undefined>;
  /** @param id the number that take() gave */
  release(id: number): void;
}

/** The claims of one process. */
export class OwnClaims implements Claims {
  readonly #guests = new Map<number, string>();
  #next = 1;

  take(direction: Direction, name: string): Promise<number | undefined> {
    const guest = `${direction}/${name}`;
    if ([...this.#guests.values()].includes(guest)) return Promise.resolve(undefined);
    this.#guests.set(this.#next, guest);
    return Promise.resolve(this.#next++);
  }

  release(id: number): void {
    this.#guests.delete(id);
  }
}
