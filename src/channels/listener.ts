// Where several connections come in: listens until it is closed, and says so where the first does not come in time.

import { RamferryError } from '../errors.js';
import { formatAddress } from '../link/address.js';
import { Acceptor } from '../link/listen/acceptor.js';
import { accept, type Accepted, type Place } from '../link/listen/binding.js';
import type { Refusals } from '../link/listen/strangers.js';
import type { TlsGate } from '../link/tls/gate.js';
import { AwakeTimer } from '../os/time/awake-timer.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../options/transfer.js';
import type { ListenSettings } from '../transfer/plan/listening.js';

export interface ListenerOptions {
  readonly values: Pick<
    ResolvedSendOptions | ResolvedReceiveOptions,
    'ioTimeout' | 'connectTimeout' | 'onWarning' | 'onListening'
  >;
  readonly access: ListenSettings;
  /** Where connections make their TLS handshake; undefined = in the clear. */
  readonly gate?: TlsGate | undefined;
  readonly refusals: Refusals;
  readonly onAccepted: (accepted: Accepted) => void;
  /** Called when the connect timeout is over. */
  readonly onLate: (error: RamferryError) => void;
}

export class ChannelListener {
  readonly #acceptor: Acceptor;
  readonly #patience: AwakeTimer | undefined;

  private constructor(acceptor: Acceptor, patience: AwakeTimer | undefined) {
    this.#acceptor = acceptor;
    this.#patience = patience;
  }

  /** @throws ERR_LINK_LISTEN */
  static async open(place: Place, options: ListenerOptions): Promise<ChannelListener> {
    const { values, access, gate, refusals, onAccepted, onLate } = options;
    const { ioTimeout, connectTimeout = 0, onWarning = () => undefined, onListening } = values;
    const label = formatAddress(place);
    const acceptance = { label, ioTimeout, gate, allow: access.allow, onAccepted };
    const acceptor = await Acceptor.open(place, {
      ...{ access: access.socketAccess, onWarning },
      onSocket: (socket) =>
        accept(socket, place.kind, {
          ...acceptance,
          onTurnedAway: (origin, why) => refusals.report(origin, why),
        }),
    });
    const { exposure } = acceptor;
    if (exposure !== undefined && gate === undefined) onWarning(exposure);
    onListening?.(acceptor.address);
    if (connectTimeout === 0) return new ChannelListener(acceptor, undefined);
    const late = (): void =>
      onLate(
        new RamferryError(
          'ERR_LINK_TIMEOUT',
          `no peer connected to ${label} for ${connectTimeout / 1000} s`,
          {
            hint: 'start the other side, or allow more time with --connect-timeout',
          },
        ),
      );
    return new ChannelListener(acceptor, AwakeTimer.start(connectTimeout, late));
  }

  close(): void {
    this.#patience?.cancel();
    this.#acceptor.close();
  }
}
