// The receiver for what was recognised.

import { RamferryError } from '../../errors.js';
import { containerOf, grammarFor, type StreamKind } from '../../grammar/detect.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import { FramesReceiver } from './frames-receiver.js';
import { NativeReceiver } from './native-receiver.js';
import { PassThrough } from './pass-through.js';
import type { ReceiverSettings, Receiving } from './receiving.js';
import { XenReceiver } from './xen-receiver.js';

/** @throws ERR_STREAM_MAGIC for what is no migration stream, unless the settings let it pass */
export function openReceiver(kind: StreamKind, settings: ReceiverSettings): Receiving {
  switch (containerOf(kind)) {
    case 'native':
      return new NativeReceiver(settings);
    case 'xen':
      return new XenReceiver(settings, kind as XenKind);
    case 'frames':
      return new FramesReceiver(settings);
    case 'plain':
      // An uncompressed migration stream is what a host without ramferry sends; anything else is a mistake.
      if (settings.passThrough) return new PassThrough(settings);
      if (kind === 'qemu' || kind === 'libvirt') return new PassThrough(settings, grammarFor(kind));
      throw new RamferryError('ERR_STREAM_MAGIC', 'the input is nothing that `receive` knows', {
        offset: 0,
        hint: 'give it what `ramferry send` wrote, or say --pass-through to hand on anything',
      });
  }
}
