// The four streams that a front can carry: xenguest's in both directions, and, with the option on both hosts, the vGPU's.
// Each reads and writes only its own bytes: a memory stream ends at its END record, a vGPU's at the end of the native container
// that carries it.

import fs from 'node:fs';
import { promisify } from 'node:util';
import { RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource, Channel } from '../../io/bytes.js';
import { ForwardingSink } from '../../io/forwarding-sink.js';
import { libc } from '../../os/libc.js';
import { writeError } from '../../io/system-error.js';
import { openInheritedInput, openInheritedOutput } from '../../link/inherited.js';
import type { StreamKind } from '../../grammar/detect.js';
import { detach, endWriting } from './descriptors.js';
import type { Work } from './carrier.js';
import type { Engine } from './emu-engine.js';
import { WorkCarrier } from './work-carrier.js';

const fdatasync = promisify(fs.fdatasync);
const fstat = promisify(fs.fstat);

/** xenopsd decides how long a stream may stall, and aborts. */
const NO_TIMEOUT = { ioTimeout: 0 };

/** A stream between an emulator and the front. */
export interface EmulatorStream {
  readonly channel: Channel;
  /** The front's descriptor. */
  readonly ours: number;
  /** A descriptor of the emulator's end, where the front must end the emulator's writing. */
  readonly theirs?: number;
}

abstract class StreamCarrier extends WorkCarrier {
  protected readonly stream: EmulatorStream;
  /** xenopsd's descriptor. */
  protected readonly fd: number;
  #detached = false;

  constructor(engine: Promise<Engine>, stream: EmulatorStream, fd: number) {
    super(engine);
    this.stream = stream;
    this.fd = fd;
  }

  protected giveBack(): void {
    void this.stream.channel.source?.close();
    void this.stream.channel.sink?.abort();
    // emu-manager may need a minute to end; the other host's end of the stream does not wait that long.
    if (this.#detached) return;
    this.#detached = true;
    detach(this.fd);
  }

  protected output(): ByteSink {
    return openInheritedOutput(this.fd, 'the stream', NO_TIMEOUT).sink!;
  }

  protected input(): ByteSource {
    return openInheritedInput(this.fd, 'the stream', NO_TIMEOUT).source!;
  }

  protected receiver(engine: Engine, kind: StreamKind): Work {
    const ends = { source: this.input(), head: new Uint8Array(0), sink: this.emulatorSink() };
    const extras = { statistics: this.statistics, onDelivered: () => this.arrived() };
    return engine.receiver(kind, ends, extras);
  }

  /** Writes to the emulator, and notes when the emulator has closed its end. */
  protected emulatorSink(): ByteSink {
    return new EmulatorSink(this.stream.channel.sink!, () => (this.emulatorGone = true));
  }
}

class EmulatorSink extends ForwardingSink {
  readonly #onGone: () => void;

  constructor(inner: ByteSink, onGone: () => void) {
    super(inner);
    this.#onGone = onGone;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.inner.write(bytes).catch((thrown: unknown) => {
      this.#onGone();
      throw thrown;
    });
  }
}

/** Syncs a regular file or disk before xenopsd hears of success: emu-manager would have called syncfs. */
async function settle(fd: number): Promise<void> {
  try {
    const stats = await fstat(fd);
    if (stats.isFile() || stats.isBlockDevice()) await fdatasync(fd);
  } catch (thrown) {
    throw writeError('the stream', thrown);
  }
}

/** xenguest's stream in a save, up to and including its END record. */
export class MemorySave extends StreamCarrier {
  protected override open(engine: Engine): Work {
    const grammar = engine.memoryGrammar();
    const inner = this.stream.channel.source!;
    // xenguest keeps the descriptor open behind END. An end of file before END is a failure, and so is an unknown END.
    const source: ByteSource = {
      label: inner.label,
      read: async (target) => {
        if (grammar.mayRead === Infinity) {
          throw new RamferryError(
            'ERR_INPUT_UNKNOWN',
            `the stream cannot be followed: ${grammar.opaqueBecause}`,
            {
              hint: 'this version of ramferry does not know the format of this xenguest: migrate without compression',
            },
          );
        }
        const got = await inner.read(target);
        if (got > 0) return got;
        this.emulatorGone = true;
        throw new RamferryError('ERR_INPUT_TRUNCATED', "xenguest's stream ended before its END record");
      },
      close: () => inner.close(),
    };
    return engine.memorySender(
      { source, sink: this.output(), grammar },
      {
        statistics: this.statistics,
        onWritten: () => this.#written(),
        onFailure: (error) => this.fail(error),
      },
    );
  }

  #written(): void {
    settle(this.fd).then(
      () => this.arrived(),
      (thrown: unknown) => this.fail(thrown),
    );
  }

  override surplus(): number {
    return libc()?.unread(this.stream.ours) ?? 0;
  }
}

/** xenguest's stream in a restore: recognised by its content, and passed on unchanged where it holds no compressed records. */
export class MemoryRestore extends StreamCarrier {
  protected override open(engine: Engine): Work {
    return this.receiver(engine, 'libxc');
  }
}

/** The vGPU's stream in a save: of unknown structure, in a native container. */
export class VgpuSave extends StreamCarrier {
  protected override open(engine: Engine): Work {
    return engine.vgpuSender(
      { source: this.stream.channel.source!, sink: this.output() },
      {
        statistics: this.statistics,
        onWritten: () => this.arrived(),
        onFailure: (error) => this.fail(error),
      },
    );
  }

  /** Ends the stream: the emulator has written its last byte, but keeps its descriptor open. */
  emulatorDone(): void {
    endWriting(this.stream.theirs!);
  }
}

/** The vGPU's stream in a restore. */
export class VgpuRestore extends StreamCarrier {
  protected override open(engine: Engine): Work {
    return this.receiver(engine, 'native');
  }
}
