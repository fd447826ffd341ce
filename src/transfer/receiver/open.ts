// Creates the receiver for the recognised container: the inlet, and the pipeline around it.

import { FramesInlet } from '../../container/frames-inlet.js';
import type { Inlet } from '../../container/inlet.js';
import { NativeInlet } from '../../container/native-inlet.js';
import { PlainInlet } from '../../container/plain-inlet.js';
import { XenguestInlet } from '../../container/xenguest-inlet.js';
import { RamferryError } from '../../errors.js';
import { containerOf, grammarFor, type StreamKind } from '../../grammar/detect.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import { BoundedSink } from '../../io/bounded-sink.js';
import { windowRoom } from '../plan/memory.js';
import type { RestorePlan } from '../plan/receive-plan.js';
import { Receiver, type ReceiverEnds, type ReceiverExtras } from './receiver.js';

/** @throws ERR_STREAM_MAGIC for an input that is no migration stream, unless the plan has `passThrough` */
export function openReceiver(
  kind: StreamKind,
  plan: RestorePlan,
  ends: ReceiverEnds,
  extras: ReceiverExtras,
): Receiver {
  const { source, head, sink } = ends;
  const bounded = plan.maxSize === undefined ? sink : new BoundedSink(sink, plan.maxSize);
  return new Receiver(inletFor(kind, plan, ends), plan, { source, head, sink: bounded }, extras);
}

function inletFor(kind: StreamKind, plan: RestorePlan, { source, head, sink }: ReceiverEnds): Inlet {
  const { ioTimeout, shared, maxSize, passThrough, memoryLimit, zstdBinding } = plan;
  const input = { source, head, ioTimeout, shared, kept: sink.partial?.kept };
  const container = containerOf(kind);
  if (sink.partial !== undefined && container !== 'native') throw notResumable(kind);
  switch (container) {
    case 'native':
      return new NativeInlet(input, maxSize);
    case 'xen':
      return new XenguestInlet({ ...input, passThrough }, kind as XenKind);
    case 'frames':
      return new FramesInlet({ ...input, maxWindow: windowRoom(memoryLimit), zstdBinding });
    case 'plain':
      // A host without ramferry sends an uncompressed migration stream. Any other input is a mistake of the user.
      if (passThrough) return new PlainInlet(input);
      if (kind === 'qemu' || kind === 'libvirt') return new PlainInlet(input, grammarFor(kind));
      throw new RamferryError('ERR_STREAM_MAGIC', 'the input is nothing that `receive` knows', {
        offset: 0,
        hint: 'give it what `ramferry send` wrote, or say --pass-through to hand on anything',
      });
  }
}

/** Only chunks of the native container state where they lie in the output. */
function notResumable(kind: StreamKind): RamferryError {
  return new RamferryError(
    'ERR_LINK_NEGOTIATION',
    `receive --resume takes ramferry's native container only, and the sender sends ${kind}`,
    { hint: 'leave --method and --xenguest-version out at the sender, or --resume at the receiver' },
  );
}
