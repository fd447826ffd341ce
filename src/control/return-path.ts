// The return path of a sender: the bytes that flow from the link back to the program that writes the stream.

import type { ByteSink, ByteSource } from '../io/bytes.js';
import { ControlReader } from './channel.js';
import { endRelay, relay } from './relay.js';

/**
 * On a link with control messages, reads them and relays the bytes of the return path among them. On any other link, relays all
 * bytes that come back as they are.
 * @param duplex the receiver writes control messages
 * @param writer the program that writes the stream; undefined where it cannot read
 * @param back what comes from the link; undefined where nothing can
 * @returns undefined where there are no control messages
 */
export function openReturnPath(
  duplex: boolean,
  writer: ByteSink | undefined,
  back: ByteSource | undefined,
): ControlReader | undefined {
  if (back === undefined) return undefined;
  // A hypervisor that gave up reads no more. That is no error here: the end of its stream decides.
  let isOpen = writer !== undefined;
  const backward = async (bytes: Uint8Array): Promise<void> => {
    if (!isOpen) return;
    isOpen = bytes.length > 0;
    const written = isOpen ? writer!.write(bytes) : writer!.finish();
    await written.catch(() => (isOpen = false));
  };
  if (duplex) return new ControlReader(back, backward);
  // Without a writer that reads, the closed source drops what comes and ends when the sender has finished.
  if (writer === undefined) void back.close();
  else void relay(back, backward).then(() => Promise.all([back.close(), endRelay(writer)]));
  return undefined;
}
