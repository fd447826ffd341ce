// The bindings of each codec, best first, and the choice among them.
// Opens the first binding that loads, or the requested one, and loads no other before. The choice is deterministic: every thread of a
// machine makes the same.

import { RamferryError } from '../errors.js';
import { describeLoadError, type Binding, type LoadedBinding } from './binding.js';
import type { BindingInfo, Codec, CodecName, ZstdCodec } from './codec.js';
import { lz4 } from './lz4.js';
import { none } from './none.js';
import { zlib } from './zlib.js';
import { zstdMongodb } from './zstd-mongodb.js';
import { zstdNapi } from './zstd-napi.js';
import { zstdNode } from './zstd-node.js';
import { zstdSystem } from './zstd-system.js';

const ZSTD_BINDINGS: readonly Binding<ZstdCodec>[] = [zstdNapi, zstdSystem, zstdNode, zstdMongodb];

/** All bindings that ramferry knows, best first. */
export const BINDINGS: Readonly<Record<CodecName, readonly Binding[]>> = {
  none: [none],
  lz4: [lz4],
  zstd: ZSTD_BINDINGS,
  zlib: [zlib],
};

export interface OpenOptions {
  /** Name of the binding; absent = the first that loads. */
  readonly binding?: string | undefined;
  /** Encoders find repetitions all over their input (zstd's long-distance matching), where the binding has it. */
  readonly longDistance?: boolean | undefined;
}

/**
 * Opens a codec for one thread. Synchronous; loads the native module where it is not loaded.
 * @throws RamferryError ERR_OPTION_INVALID for a binding that the codec does not have, ERR_CODEC_UNAVAILABLE when none
 *   (or not the one asked for) can be loaded here.
 */
export function openCodec(name: CodecName, options: OpenOptions = {}): Codec {
  return open(select(name, BINDINGS[name], options), options);
}

/** As openCodec('zstd'), for callers that also make standalone frames. */
export function openZstd(options: OpenOptions = {}): ZstdCodec {
  return open(select('zstd', ZSTD_BINDINGS, options), options);
}

function open<C extends Codec>(binding: LoadedBinding<C>, { longDistance: far = false }: OpenOptions): C {
  return binding.open(far && binding.info.longDistance);
}

/** The facts about the binding that openCodec() would use, without a codec; throws what it would throw. */
export function bindingInfo(name: CodecName, options: OpenOptions = {}): BindingInfo {
  return select(name, BINDINGS[name], options).info;
}

function select<C extends Codec>(
  name: CodecName,
  bindings: readonly Binding<C>[],
  options: OpenOptions,
): LoadedBinding<C> {
  const wanted = options.binding;
  const candidates =
    wanted === undefined ? bindings : bindings.filter((each) => each.traits.binding === wanted);
  if (candidates.length === 0) {
    throw new RamferryError('ERR_OPTION_INVALID', `codec ${name} has no binding ${JSON.stringify(wanted)}`, {
      hint: `bindings of ${name}: ${bindings.map((each) => each.traits.binding).join(', ')}`,
    });
  }
  const reasons: string[] = [];
  for (const candidate of candidates) {
    try {
      return candidate.load();
    } catch (thrown) {
      reasons.push(`${candidate.traits.binding}: ${describeLoadError(thrown)}`);
    }
  }
  throw new RamferryError('ERR_CODEC_UNAVAILABLE', `codec ${name} cannot be used: ${reasons.join('; ')}`, {
    hint:
      wanted === undefined
        ? 'reinstall ramferry, or choose another codec'
        : `install ${wanted}, or let ramferry choose the binding`,
  });
}
