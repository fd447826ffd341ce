// `openOutlet`: makes the outlet for the container of a plan.

import { FramesOutlet } from '../../container/frames-outlet.js';
import { NativeOutlet } from '../../container/native-outlet.js';
import type { Outlet } from '../../container/outlet.js';
import { XenguestOutlet } from '../../container/xenguest-outlet.js';
import { GRAMMAR_ID } from '../../grammar/grammar.js';
import type { TransferPlan } from '../plan/transfer-plan.js';

export function openOutlet({ container, stream, coding, memory }: TransferPlan): Outlet {
  const maxChunk = coding.chunkSize;
  const { storeBytes } = memory;
  switch (container.kind) {
    case 'frames':
      return new FramesOutlet(container.codec, maxChunk);
    case 'xenguest':
      return new XenguestOutlet({ maxChunk, storeBytes }, container.version, stream.followsEnd);
    case 'native':
      return new NativeOutlet(
        {
          grammar: GRAMMAR_ID[stream.grammar],
          maxChunk,
          window: 1,
          storeBytes,
          totalLength: stream.length,
          ...(stream.before === undefined ? {} : { start: stream.before.bytes }),
        },
        stream.before,
      );
  }
}
