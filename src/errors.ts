// The one error type of ramferry and the table of its codes.
// Every error that a user can cause has a code from this table; the code decides the exit status.
// Messages say what was wrong, where, and what to do; they never contain page bytes.

/** Exit statuses of the command line (docs/INTEGRATION.md lists them). */
export const EXIT = {
  /** The command succeeded. */
  success: 0,
  /** A fault of ramferry. */
  internal: 1,
  /** An option, an address, a memory limit or a limit of the host is wrong. */
  usage: 2,
  /** The input is missing or unreadable, or it changed. */
  input: 3,
  /** The link or the other side failed. */
  link: 4,
  /** The stream is damaged or has an unexpected kind. */
  corrupt: 5,
  /** The output exists, is full, or cannot be written. */
  output: 6,
  /**
   * The last part of the stream may have reached the other side, and its result did not come back. For `migrate`: either side
   * may run the guest. A person, or the hypervisor's own handshake, must decide (docs/INTEGRATION.md).
   */
  unknown: 7,
  /** QEMU or its guest refused an operation that the transfer needs. */
  hypervisor: 8,
  /** The stream broke off before its own end: the hypervisor stopped, or was stopped, before all was sent. */
  incomplete: 9,
  /** Ended by SIGINT. */
  interrupted: 130,
  /** Ended by SIGTERM or SIGHUP. */
  terminated: 143,
} as const;

/** The exit status of each code. A released code keeps its name and its meaning. */
const EXIT_OF_CODE = {
  ERR_INTERNAL: EXIT.internal,
  ERR_WORKER_DIED: EXIT.internal,
  ERR_WORKER_OUT_OF_MEMORY: EXIT.internal,
  ERR_SELF_CHECK: EXIT.internal,

  ERR_USAGE: EXIT.usage,
  ERR_OPTION_INVALID: EXIT.usage,
  ERR_MEMORY_LIMIT: EXIT.usage,
  /** The host has no further thread, descriptor or memory for this process, or no temporary directory. */
  ERR_RESOURCE_LIMIT: EXIT.usage,
  ERR_CODEC_UNAVAILABLE: EXIT.usage,
  ERR_SAME_FILE: EXIT.usage,
  /** A certificate or key of this side is missing, damaged, out of date, or does not fit the others. */
  ERR_TLS_CREDENTIALS: EXIT.link,
  ERR_ALREADY_COMPRESSED: EXIT.usage,

  ERR_INPUT_OPEN: EXIT.input,
  ERR_INPUT_READ: EXIT.input,
  ERR_INPUT_CHANGED: EXIT.input,
  ERR_INPUT_UNKNOWN: EXIT.input,
  ERR_INPUT_TRUNCATED: EXIT.input,
  ERR_INPUT_INCOMPLETE: EXIT.incomplete,

  ERR_LINK_ADDRESS: EXIT.usage,
  ERR_LINK_CONNECT: EXIT.link,
  ERR_LINK_LISTEN: EXIT.link,
  ERR_LINK_CLOSED: EXIT.link,
  ERR_LINK_TIMEOUT: EXIT.link,
  ERR_LINK_COMMAND: EXIT.link,
  ERR_LINK_NEGOTIATION: EXIT.link,
  /** One side refused the other in the TLS handshake, or one side speaks TLS and the other does not. */
  ERR_LINK_TLS: EXIT.link,
  ERR_PEER_FAILED: EXIT.link,

  ERR_STREAM_MAGIC: EXIT.corrupt,
  ERR_STREAM_VERSION: EXIT.corrupt,
  ERR_STREAM_FEATURE: EXIT.corrupt,
  ERR_STREAM_TRUNCATED: EXIT.corrupt,
  ERR_STREAM_CHECKSUM: EXIT.corrupt,
  ERR_STREAM_FORMAT: EXIT.corrupt,
  ERR_STREAM_LIMIT: EXIT.corrupt,
  ERR_STREAM_ORDER: EXIT.corrupt,
  ERR_STREAM_TOTALS: EXIT.corrupt,
  ERR_STREAM_TRAILING: EXIT.corrupt,
  ERR_STREAM_CODEC: EXIT.corrupt,

  ERR_OUTPUT_OPEN: EXIT.output,
  ERR_OUTPUT_EXISTS: EXIT.output,
  ERR_OUTPUT_WRITE: EXIT.output,
  ERR_OUTPUT_FULL: EXIT.output,

  ERR_OUTCOME_UNKNOWN: EXIT.unknown,
  ERR_HANDOVER_UNKNOWN: EXIT.unknown,

  ERR_QMP_CONNECT: EXIT.hypervisor,
  ERR_QMP_CLOSED: EXIT.hypervisor,
  ERR_QMP_TIMEOUT: EXIT.hypervisor,
  ERR_QMP_COMMAND: EXIT.hypervisor,
  ERR_QMP_PROTOCOL: EXIT.hypervisor,
  /** QEMU did not complete its migration, or not in time; the guest is at the source. */
  ERR_MIGRATION_FAILED: EXIT.hypervisor,
  ERR_MIGRATION_TIMEOUT: EXIT.hypervisor,
  ERR_GUEST_STATE: EXIT.hypervisor,
  ERR_GUEST_RAM: EXIT.hypervisor,
  ERR_GUEST_RAM_CHANGED: EXIT.hypervisor,
  ERR_WATCHDOG: EXIT.internal,

  ERR_INTERRUPTED: EXIT.interrupted,
  ERR_TERMINATED: EXIT.terminated,
} as const;

/** Stable names of errors, for programs to compare. A released code keeps its name and its meaning. */
export type ErrorCode = keyof typeof EXIT_OF_CODE;

/** How a transfer ended that did not succeed. */
export type FailureStatus = 'failed' | 'incomplete' | 'unknown' | 'cancelled';

/** By exit status; every other exit status is `failed`. */
const FAILURE_STATUS: ReadonlyMap<number, FailureStatus> = new Map([
  [EXIT.unknown, 'unknown'],
  [EXIT.incomplete, 'incomplete'],
  [EXIT.interrupted, 'cancelled'],
  [EXIT.terminated, 'cancelled'],
]);

/** @param exitCode of the error that ended the transfer */
export function failureStatus(exitCode: number): FailureStatus {
  return FAILURE_STATUS.get(exitCode) ?? 'failed';
}

/** All codes with their exit statuses, for `ramferry features` and the documentation. */
export const ERROR_CODES: Readonly<Record<ErrorCode, number>> = EXIT_OF_CODE;

/** Where an error happened. Numbers only: nothing here may carry guest memory. */
export interface ErrorPlace {
  /** Record of the stream, counted from 0. */
  readonly record?: number;
  /** Byte offset in the stream that was read. */
  readonly offset?: number;
  /** Sequence number of the chunk. */
  readonly sequence?: number;
}

/** Plain form of an error, which can cross a thread, a process or the link. */
export interface ErrorData extends ErrorPlace {
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** What went wrong, for people. */
  readonly message: string;
  /** What the user can do about it. */
  readonly hint?: string;
}

/** What an error may carry besides its code and message. */
export interface ErrorOptions extends ErrorPlace {
  /** What the user can do about it. */
  readonly hint?: string;
  /** The error that caused this one. */
  readonly cause?: unknown;
}

/** The one error that ramferry throws and rejects with. Its code is stable, its text is for people. */
export class RamferryError extends Error {
  /** Always `RamferryError`. */
  override readonly name = 'RamferryError';
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** Where it happened. */
  readonly place: ErrorPlace;
  /** What the user can do about it. */
  readonly hint: string | undefined;

  /** @param message what was wrong and where; never page bytes */
  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const { record, offset, sequence } = options;
    this.code = code;
    this.hint = options.hint;
    this.place = {
      ...(record === undefined ? {} : { record }),
      ...(offset === undefined ? {} : { offset }),
      ...(sequence === undefined ? {} : { sequence }),
    };
  }

  /** The status that the command line exits with. */
  get exitCode(): number {
    return EXIT_OF_CODE[this.code];
  }

  /** The message with its place, as a person reads it: `… (record 3, offset 4096)`. */
  describe(): string {
    const where = this.whereText();
    return where === '' ? this.message : `${this.message} (${where})`;
  }

  /** The place: `record 3, offset 4096`; empty where it is not known. */
  whereText(): string {
    return Object.entries(this.place)
      .map(([key, value]) => `${key} ${String(value)}`)
      .join(', ');
  }

  /** Structured cloning drops error classes: send this form and rebuild the error from it. */
  toData(): ErrorData {
    return {
      code: this.code,
      message: this.message,
      ...this.place,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }
}

/**
 * Whether a value is one of ramferry's error codes.
 * @example
 * ```ts
 * import { isErrorCode } from 'ramferry';
 *
 * console.assert(isErrorCode('ERR_LINK_CLOSED') && !isErrorCode('EPIPE'));
 * ```
 */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(EXIT_OF_CODE, value);
}

/**
 * Whether a caught value is ramferry's error.
 * @example
 * ```ts
 * import { isRamferryError, send } from 'ramferry';
 *
 * try {
 *   await send({ input: 'no-such-file', output: 'guest.rf' });
 * } catch (thrown) {
 *   if (!isRamferryError(thrown)) throw thrown;
 *   console.assert(thrown.code === 'ERR_INPUT_OPEN');
 * }
 * ```
 */
export function isRamferryError(value: unknown): value is RamferryError {
  return value instanceof RamferryError;
}

export function fromErrorData(data: ErrorData): RamferryError {
  const { code, message, ...options } = data;
  return new RamferryError(code, message, options);
}

/** Converts any thrown value; returns a RamferryError unchanged. */
export function toRamferryError(
  thrown: unknown,
  code: ErrorCode = 'ERR_INTERNAL',
  context = '',
): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const system = String((thrown as { readonly code?: unknown } | null | undefined)?.code);
  const known = ALLOCATION.test(message) ? MORE_MEMORY : HOST[system];
  // The caller's own code is more specific than a missing resource of the host.
  return new RamferryError(
    code === 'ERR_INTERNAL' ? (known?.code ?? code) : code,
    context === '' ? firstLine(message) : `${context}: ${firstLine(message)}`,
    { cause: thrown, ...(known === undefined ? {} : { hint: known.hint }) },
  );
}

/** V8's messages for memory that the system refuses. */
const ALLOCATION = /^(?:Array buffer|SharedArrayBuffer) allocation failed/i;
const MORE_FILES = { code: 'ERR_RESOURCE_LIMIT', hint: 'allow more open files (ulimit -n)' } as const;
const MORE_MEMORY = {
  code: 'ERR_RESOURCE_LIMIT',
  hint: 'allow more memory (ulimit -v, memory.max), or use a smaller --memory-limit and fewer threads',
} as const;
const REINSTALL = {
  code: 'ERR_CODEC_UNAVAILABLE',
  hint: 'install ramferry anew on this machine, with its optional packages',
} as const;

/** Node's and the system's codes and messages for a missing resource or package. */
const HOST: Readonly<Record<string, { readonly code: ErrorCode; readonly hint: string }>> = {
  EMFILE: MORE_FILES,
  ENFILE: MORE_FILES,
  ENOMEM: MORE_MEMORY,
  ERR_MEMORY_ALLOCATION_FAILED: MORE_MEMORY,
  ERR_WORKER_INIT_FAILED: {
    code: 'ERR_RESOURCE_LIMIT',
    hint: 'allow more threads (ulimit -u, pids.max, TasksMax)',
  },
  EAGAIN: {
    code: 'ERR_RESOURCE_LIMIT',
    hint: 'allow more threads and processes (ulimit -u, pids.max, TasksMax)',
  },
  MODULE_NOT_FOUND: REINSTALL,
  ERR_MODULE_NOT_FOUND: REINSTALL,
  ERR_DLOPEN_FAILED: REINSTALL,
};

/** The first line, without the module stack that Node's loader appends. */
function firstLine(message: string): string {
  return message.split('\nRequire stack:')[0]!;
}
