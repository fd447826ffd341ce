// What a receiver says to its sender on the way back: progress, and what the program behind the output writes (QEMU's return path).

import { ControlWriter } from '../../control/writer.js';
import type { Progress } from '../../control/progress.js';
import { relay } from '../../control/relay.js';
import type { RamferryError } from '../../errors.js';
import type { ByteSource, Channel } from '../../io/bytes.js';

/** Reports progress to the sender where it listens. */
export function introduce(
  talks: boolean,
  from: Channel,
  progress: () => Progress,
): ControlWriter | undefined {
  if (from.sink === undefined || !talks) return undefined;
  const control = new ControlWriter(from.sink);
  control.reportProgress(progress);
  return control;
}

/**
 * Relays what the reader of the output writes (QEMU's return path) to the sender.
 * @param own no other program uses the reader's connection: it is read even where the sender cannot be told, to see its end
 */
export function relayBack(
  reader: ByteSource,
  { sink }: Channel,
  control: ControlWriter | undefined,
  own: boolean,
): Promise<RamferryError | undefined> | undefined {
  if (control !== undefined) {
    return relay(reader, (bytes) => control.backward(bytes)).finally(() => control.backwardEnd());
  }
  if (sink !== undefined) return relay(reader, (bytes) => sink.write(bytes));
  return own ? relay(reader, () => Promise.resolve()) : undefined;
}
