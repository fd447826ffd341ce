// `CodecCache`: the codecs of one thread and one transfer, each opened when first needed.

import type { Codec, CodecName } from '../codec/codec.js';
import { bindingInfo, openCodec, type OpenOptions } from '../codec/registry.js';
import type { FrameFormat } from '../container/frames/record.js';
import type { UnitCoder } from '../container/frames/unit.js';
import type { WorkerStartUp } from '../slot/start-up.js';

export class CodecCache {
  readonly #options: OpenOptions;
  readonly #codecs = new Map<CodecName, Codec>();
  #units: UnitCoder | undefined;
  #returnsBuffers = false;

  constructor(startUp: WorkerStartUp) {
    const { zstdBinding, longDistance: far } = startUp;
    this.#options = { longDistance: far, ...(zstdBinding === '' ? {} : { binding: zstdBinding }) };
  }

  /** Whether a binding that was opened returns buffers of its own (BindingInfo.returnsBuffers). */
  get returnsBuffers(): boolean {
    return this.#returnsBuffers;
  }

  codec(name: CodecName): Codec {
    let codec = this.#codecs.get(name);
    if (codec === undefined) {
      codec = openCodec(name, this.#of(name));
      this.#codecs.set(name, codec);
    }
    return codec;
  }

  /** A transfer has frames of one format, and most transfers none: their modules are loaded when needed. */
  async units(format: FrameFormat): Promise<UnitCoder> {
    if (this.#units === undefined) {
      const { openUnits } = await import('../container/frames/open-units.js');
      this.#units = openUnits(format, this.#of(format));
    }
    return this.#units;
  }

  /** Gives the native contexts back. */
  close(): void {
    for (const codec of this.#codecs.values()) codec.close();
    this.#codecs.clear();
  }

  #of(name: CodecName): OpenOptions {
    const options = name === 'zstd' ? this.#options : {};
    this.#returnsBuffers ||= bindingInfo(name, options).returnsBuffers;
    return options;
  }
}
