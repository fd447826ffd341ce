// The libxc stream of a paravirtual guest with the image's memory, in a file: what the xapi suites carry.

import { createGuest } from '../../src/guest/guest.js';
import { BATCH_PAGES } from '../../src/guest/stream/stream-writer.js';
import { fileSink } from '../support/guest-file.js';

/** @param most bytes after which no more pages are written; absent = all of the guest */
export async function writeGuestStream(image: string, path: string, most = Infinity): Promise<void> {
  const guest = await createGuest({ format: 'libxc-pv', memory: { path: image }, seed: 1 });
  const sink = fileSink(path);
  const writer = guest.openWriter(sink, false);
  await writer.begin();
  for (let at = 0; at < writer.frames && writer.bytes < most; at += BATCH_PAGES) {
    const count = Math.min(BATCH_PAGES, writer.frames - at);
    await writer.pages(Uint32Array.from({ length: count }, (_, i) => at + i));
  }
  await writer.finish(undefined);
  await sink.finish();
}
