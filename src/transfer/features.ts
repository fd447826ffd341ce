// What this installation can do: versions, codecs and their bindings, formats, kinds of addresses, limits.
// Takes nothing, loads every codec binding to be sure, never fails. The field names are a promise to scripts.

import { MAX_CHUNK_BYTES } from '../chunk/record.js';
import { codecWarnings, describeBindings, type BindingReport } from '../codec/features.js';
import { CODEC_NAMES, type CodecName, type LevelRange } from '../codec/codec.js';
import { MAX_WINDOW, NATIVE_VERSION } from '../container/native.js';
import { ERROR_CODES } from '../errors.js';
import { GRAMMAR_ID, type GrammarName } from '../grammar/grammar.js';
import { type Address, SCHEMES } from '../link/address.js';
import { allowedCpus } from '../os/processor/cpus.js';
import { FORMATS, METHODS, type Format, type Method } from '../options/amounts.js';
import { optionLimits } from '../options/features.js';
import { packageVersion } from '../os/version.js';

/** One binding of a codec. */
export interface BindingFeatures {
  /** Its name. */
  readonly binding: string;
  /** It can be loaded here. */
  readonly usable: boolean;
  /** This is the one in use. */
  readonly chosen: boolean;
  /** Version of the package, where it can be loaded. */
  readonly version?: string;
  /** Version of the C library in it, where it tells. */
  readonly library?: string;
  /** Why it is not usable. */
  readonly reason?: string;
}

/** One codec. */
export interface CodecFeatures {
  /** Its name. */
  readonly codec: CodecName;
  /** One of its bindings can be loaded here. */
  readonly usable: boolean;
  /** Levels of the binding in use. */
  readonly levels: LevelRange;
  /** Its bindings, best first. */
  readonly bindings: readonly BindingFeatures[];
}

/** A range, both ends included. */
export interface Limit {
  /** Least. */
  readonly min: number;
  /** Most. */
  readonly max: number;
}

/** What this installation can do. */
export interface Features {
  /** Versions. */
  readonly versions: {
    /** Of the package. */
    readonly ramferry: string;
    /** Of the native container. */
    readonly stream: number;
    /** Of Node.js. */
    readonly node: string;
  };
  /** CPUs that the process may use: affinity and control groups. */
  readonly cpus: number;
  /** Codecs with their bindings. */
  readonly codecs: readonly CodecFeatures[];
  /** Values of the option `method`. */
  readonly methods: readonly Method[];
  /** Values of the option `format`. */
  readonly formats: readonly Format[];
  /** Stream grammars. */
  readonly grammars: readonly GrammarName[];
  /** Kinds of addresses. */
  readonly addresses: readonly Address['kind'][];
  /** Limits of the options and of received streams: bytes, milliseconds and counts. */
  readonly limits: Readonly<Record<string, Limit>>;
  /** Codes of errors with the exit status that each leads to. */
  readonly errors: Readonly<Record<string, number>>;
  /** What slows this installation down, in plain words. */
  readonly warnings: readonly string[];
}

/** What features takes. */
export interface FeaturesOptions {
  /** The zstd binding to show as the one in use, instead of the best one that works. */
  readonly zstdBinding?: string | undefined;
}

/**
 * What this installation can do. Loads every codec binding to be sure; never fails.
 * @example
 * ```ts
 * import { features } from 'ramferry';
 *
 * const zstd = features().codecs.find(({ codec }) => codec === 'zstd');
 * console.log(zstd?.levels.max, features().limits['chunkSize']);
 * ```
 */
export function features({ zstdBinding }: FeaturesOptions = {}): Features {
  const reports = describeBindings(zstdBinding);
  return {
    versions: { ramferry: packageVersion(), stream: NATIVE_VERSION, node: process.versions.node },
    cpus: allowedCpus(),
    codecs: CODEC_NAMES.map((codec) => codecFeatures(codec, reports)),
    methods: METHODS,
    formats: FORMATS,
    grammars: Object.keys(GRAMMAR_ID) as GrammarName[],
    addresses: [...SCHEMES, 'stdio'],
    limits: {
      ...optionLimits(),
      // Of received streams, not of options. A test checks that no option has these names.
      receivedChunk: { min: 1, max: MAX_CHUNK_BYTES },
      reorderWindow: { min: 1, max: MAX_WINDOW },
    },
    errors: ERROR_CODES,
    warnings: codecWarnings(reports),
  };
}

function codecFeatures(codec: CodecName, all: readonly BindingReport[]): CodecFeatures {
  const reports = all.filter(({ info }) => info.codec === codec);
  const best = reports.find(({ chosen }) => chosen) ?? reports[0]!;
  return {
    codec,
    usable: reports.some(({ chosen }) => chosen),
    levels: best.info.levels,
    bindings: reports.map((report) => ({
      binding: report.info.binding,
      usable: report.usable,
      chosen: report.chosen,
      ...(report.usable ? { version: report.info.version } : { reason: report.reason }),
      ...(report.usable && report.info.library !== undefined ? { library: report.info.library } : {}),
    })),
  };
}
