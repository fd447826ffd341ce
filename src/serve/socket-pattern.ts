// Addresses of guests' sockets: a pattern of `ramferry serve` in which {name} stands for the guest's name. A name comes from another
// host, so it is checked before it becomes part of a path.

import { isGuestName } from '../control/negotiation.js';
import { RamferryError } from '../errors.js';
import { type Address, parseAddress } from '../link/address.js';

const NAME = '{name}';

export class SocketPattern<Kind extends 'unix' | 'unix-listen'> {
  readonly #text: string;
  readonly #kind: Kind;

  /**
   * @param option the option that the pattern is the value of
   * @throws ERR_OPTION_INVALID
   */
  constructor(option: string, text: string, kind: Kind) {
    this.#text = text;
    this.#kind = kind;
    const places = text.split(NAME).length - 1;
    if (places !== 1 || !text.startsWith(`${kind}:`)) {
      throw new RamferryError('ERR_OPTION_INVALID', `${option}: '${text}' is no pattern of sockets`, {
        hint: `write ${kind}:PATH with {name} once in the path: ${kind}:/run/ramferry/{name}.sock`,
      });
    }
  }

  /** @throws ERR_LINK_NEGOTIATION for a text that is no guest's name, ERR_LINK_ADDRESS for too long a path */
  text(name: string): string {
    if (!isGuestName(name)) throw new RamferryError('ERR_LINK_NEGOTIATION', 'this is no name of a guest');
    const text = this.#text.replace(NAME, () => name);
    parseAddress(text);
    return text;
  }

  /** @throws as {@link text} */
  address(name: string): Extract<Address, { kind: Kind }> {
    const address = parseAddress(this.text(name));
    if (address.kind !== this.#kind) throw new RamferryError('ERR_INTERNAL', `${address.kind} is no socket`);
    return address as Extract<Address, { kind: Kind }>;
  }
}
