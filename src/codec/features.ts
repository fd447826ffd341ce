// The codecs of this installation: for `ramferry features`, for the handshake, and for warnings at start-up.
// Takes nothing, loads bindings to be sure, and tells; never throws, never names a path of this machine.

import { describeLoadError, type BindingTraits } from './binding.js';
import { CODEC_NAMES, type BindingInfo, type CodecName } from './codec.js';
import { bindingInfo, BINDINGS } from './registry.js';

/** One binding that ramferry knows, installed or not. */
export type BindingReport = UsableBinding | MissingBinding;

/** A binding that can be loaded here. */
export interface UsableBinding {
  /** It can be loaded. */
  readonly usable: true;
  /** Whether openCodec() takes this binding for the codec. */
  readonly chosen: boolean;
  /** What is known of it. */
  readonly info: BindingInfo;
}

/** A binding that cannot be loaded here. */
export interface MissingBinding {
  /** It cannot be loaded. */
  readonly usable: false;
  /** It is never used. */
  readonly chosen: false;
  /** What is known of it without loading it. */
  readonly info: BindingTraits;
  /** One line: what the loader said. */
  readonly reason: string;
}

/**
 * All bindings with what became of them, by codec and best first.
 * @param zstdBinding the zstd binding to choose instead of the best one
 * @example
 * ```ts
 * import { describeBindings } from 'ramferry';
 *
 * for (const { info, chosen } of describeBindings()) if (chosen) console.log(info.codec, info.binding);
 * ```
 */
export function describeBindings(zstdBinding?: string): BindingReport[] {
  return CODEC_NAMES.flatMap((codec) => describeCodec(codec, codec === 'zstd' ? zstdBinding : undefined));
}

/** The bindings that work here, by codec and best first. */
export function listBindings(): BindingInfo[] {
  return describeBindings().flatMap((report) => (report.usable ? [report.info] : []));
}

/** Codecs that work here: what a side offers in the handshake. Loads the first working binding of each codec and none behind it. */
export function usableCodecs(): CodecName[] {
  return CODEC_NAMES.filter((name) => {
    try {
      bindingInfo(name);
      return true;
    } catch {
      return false;
    }
  });
}

/** Warnings about this installation, in plain words; empty when nothing is wrong. */
export function codecWarnings(reports: readonly BindingReport[] = describeBindings()): string[] {
  return CODEC_NAMES.flatMap((codec) => {
    const own = reports.filter((report) => report.info.codec === codec);
    const chosen = own.find((report) => report.chosen);
    const missing = own.filter((report) => !report.usable);
    const why = missing.map((each) => `${each.info.binding} is missing: ${each.reason}`).join('; ');
    if (chosen === undefined) return [`${codec} cannot be used${why === '' ? '' : ` (${why})`}`];
    if (chosen.info.direct || !own.some((report) => report.info.direct)) return [];
    const cost = chosen.info.asynchronous
      ? 'it runs on the 4 threads that the whole process shares, more compress-threads gain nothing'
      : 'it copies every result';
    const because = why === '' ? 'it was asked for' : why;
    return [`${codec} uses ${chosen.info.binding}, which is slower: ${cost} (${because})`];
  });
}

function describeCodec(codec: CodecName, wanted: string | undefined): BindingReport[] {
  let chosenYet = false;
  return BINDINGS[codec].map((binding) => {
    try {
      const { info } = binding.load();
      const chosen = !chosenYet && (wanted === undefined || wanted === info.binding);
      chosenYet ||= chosen;
      return { usable: true, chosen, info };
    } catch (thrown) {
      return { usable: false, chosen: false, info: binding.traits, reason: describeLoadError(thrown) };
    }
  });
}
