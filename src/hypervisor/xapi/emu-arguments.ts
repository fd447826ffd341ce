// The arguments that xenopsd gives emu-manager, read as getopt_long_only does: one dash or two, the value behind `=` or in the
// next word, unique abbreviations of names. Unknown words are passed to emu-manager.
// Source: xenserver/emu-manager, parse_args; xenopsd's names for compression and debugging added.

/** All of these take a value. */
const NAMES = [
  'compress',
  'console_port',
  'controlinfd',
  'controloutfd',
  'debug',
  'debuglog',
  'dm',
  'domid',
  'fd',
  'fork',
  'live',
  'mem_pnode',
  'mode',
  'store_port',
  'supports',
  'trace',
  'traceparent',
  'tracestate',
] as const;
type Name = (typeof NAMES)[number];

/** Older versions took these without a value: a following word with a dash is the next option. */
const MAY_LACK_VALUE: readonly string[] = ['live', 'compress', 'debug', 'trace'];

/** One option of the command line. */
interface Option {
  /** undefined: an unknown option. */
  readonly name: Name | undefined;
  readonly value: string | undefined;
  readonly words: readonly string[];
  /** The same option with another value. */
  rewrite(value: string): readonly string[];
}

export type EmuMode = 'hvm_save' | 'save' | 'hvm_restore' | 'restore';
const MODES: readonly string[] = ['hvm_save', 'save', 'hvm_restore', 'restore'] satisfies EmuMode[];

/** A save or a restore as a front needs it. */
export interface EmuRequest {
  readonly mode: EmuMode;
  readonly saving: boolean;
  readonly live: boolean;
  readonly compress: boolean;
  /** The memory stream. */
  readonly fd: number;
  readonly controlIn: number;
  readonly controlOut: number;
  /** Descriptors that are passed on, by emulator: `-dm NAME:FD`. */
  readonly others: ReadonlyMap<string, number>;
  readonly domid: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

function resolveName(written: string): Name | undefined {
  if (written === '') return undefined;
  const exact = NAMES.find((name) => name === written);
  if (exact !== undefined) return exact;
  const longer = NAMES.filter((name) => name.startsWith(written));
  return longer.length === 1 ? longer[0] : undefined;
}

function readOptions(words: readonly string[]): Option[] {
  const options: Option[] = [];
  const other = (word: string): Option => ({
    name: undefined,
    value: undefined,
    words: [word],
    rewrite: () => [word],
  });
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') {
      options.push(...words.slice(at).map(other));
      break;
    }
    const [, dashes, written, behind] = /^(--?)([^=]+)(?:=([^]*))?$/.exec(word) ?? [];
    const name = written === undefined ? undefined : resolveName(written);
    if (name === undefined) {
      options.push(other(word));
    } else if (behind !== undefined) {
      const rewrite = (value: string): string[] => [`${dashes!}${written!}=${value}`];
      options.push({ name, value: behind, words: [word], rewrite });
    } else {
      const next = words[at + 1];
      const lacks = next === undefined || (MAY_LACK_VALUE.includes(name) && next.startsWith('-'));
      if (!lacks) at++;
      const value = lacks ? undefined : next;
      options.push({
        name,
        value,
        words: lacks ? [word] : [word, next],
        rewrite: (other) => (lacks ? [word] : [word, other]),
      });
    }
  }
  return options;
}

function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === 'true';
}

function readDescriptor(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

export class EmuArguments {
  readonly #options: readonly Option[];
  /** undefined: no save or restore (`-supports`), or an argument is missing, which emu-manager will report. */
  readonly request: EmuRequest | undefined;

  constructor(words: readonly string[]) {
    this.#options = readOptions(words);
    this.request = this.#readRequest();
  }

  /** As with getopt, the last value counts. */
  #last(name: Name): string | undefined {
    return this.#options.findLast((option) => option.name === name)?.value;
  }

  #readRequest(): EmuRequest | undefined {
    const mode = this.#last('mode');
    const fd = readDescriptor(this.#last('fd'));
    const controlIn = readDescriptor(this.#last('controlinfd'));
    const controlOut = readDescriptor(this.#last('controloutfd'));
    if (this.#asks || mode === undefined || !MODES.includes(mode)) return undefined;
    if (fd === undefined || controlIn === undefined || controlOut === undefined) return undefined;
    const others = new Map<string, number>();
    for (const { name, value } of this.#options) {
      if (name !== 'dm' || value === undefined) continue;
      const [emulator, text] = value.split(':');
      const number = readDescriptor(text);
      if (number !== undefined) others.set(emulator!, number);
    }
    const compress = this.#options.findLast(({ name }) => name === 'compress');
    return {
      mode: mode as EmuMode,
      saving: mode.endsWith('save'),
      live: this.#options.some(
        ({ name, value }) => name === 'live' && (value === undefined || isTrue(value)),
      ),
      compress: compress !== undefined && (compress.value === undefined || isTrue(compress.value)),
      fd,
      controlIn,
      controlOut,
      others,
      domid: this.#last('domid'),
      traceparent: this.#last('traceparent') ?? this.#last('trace'),
      tracestate: this.#last('tracestate'),
    };
  }

  /** True where the arguments only query what emu-manager supports. */
  get #asks(): boolean {
    return this.#options.some(({ name }) => name === 'supports');
  }

  /** The real emu-manager's arguments: without `-compress`, which it refuses, and with this descriptor for the memory stream. */
  forReal(fd?: number): string[] {
    return this.#options.flatMap((option) => {
      if (option.name === 'compress' && !this.#asks) return [];
      return option.name === 'fd' && fd !== undefined ? option.rewrite(String(fd)) : option.words;
    });
  }
}
