// A host for the emu suite: a stand-in for xenopsd that times the messages, and a minimal emu-manager, a shell script
// whose xenguest is dd. Measures one save or restore from outside, with or without the front.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { fileSink } from '../support/guest-file.js';
import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import { createGuest } from '../../src/guest/guest.js';
import { BATCH_PAGES } from '../../src/guest/stream/stream-writer.js';
import { socketPair } from '../../src/hypervisor/xapi/descriptors.js';
import { libc } from '../../src/os/libc.js';
import { END_HEADER, LIBXC_HEADER, Workshop, Xenopsd } from '../../lab/xapi/xenopsd.js';

/** xenguest writes and reads records of up to 4 MiB whole. */
export const DD_EMU_MANAGER = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in -fd) fd=$2 ;; -mode) mode=$2 ;; -controlinfd) in=$2 ;; -controloutfd) out=$2 ;; esac
  shift
done
case $mode in
  hvm_save)
    echo prepare:xenguest >&"$out"
    read -r answer <&"$in"
    dd if="$BENCH_FIRST" bs=4M status=none >&"$fd" || exit 2
    echo suspend: >&"$out"
    read -r answer <&"$in"
    dd if="$BENCH_LAST" bs=4M status=none >&"$fd" || exit 2
    echo 'result:0 0' >&"$out"
    ;;
  *)
    read -r answer <&"$in"
    dd of="$BENCH_TARGET" bs=4M iflag=fullblock,count_bytes count="$BENCH_BYTES" status=none <&"$fd" || exit 2
    echo 'result:xenguest 3 4' >&"$out"
    ;;
esac
# xenguest quits after the result.
read -r answer <&"$in"
exit 0
`;

/** USER_HZ, on every architecture Node runs on. */
const TICKS_A_SECOND = 100;

export interface Passage {
  /** Seconds from the moment at which the first byte may move, to the result. */
  readonly wall: number;
  /** Processor seconds of the front; NaN without one. */
  readonly cpu: number;
  /** Processor seconds of all processes, start-up included. */
  readonly cpuOfAll: number;
  /** Peak resident memory of the front in bytes; NaN without one. */
  readonly peak: number;
  /** Seconds until the first message of emu-manager; only of a save. */
  readonly startUp: number;
  /** Seconds from the guest's last stop to the result; only of a save. */
  readonly last: number;
}

/** Arguments of the front; undefined: emu-manager without the front. */
export type FrontArguments = readonly string[] | undefined;

type Mode = 'hvm_save' | 'hvm_restore';

interface Voyage {
  readonly mode: Mode;
  readonly front: FrontArguments;
  readonly wire: string;
  readonly target: string;
}

/** A conversation up to the result; `end` is the rest of the stream behind it. */
type Talk = (
  xenopsd: Xenopsd,
  begun: number,
) => Promise<Pick<Passage, 'wall' | 'startUp' | 'last'> & { readonly end: () => Promise<void> }>;

/** Starts dd at the far end of the link, which writes a save to `wire` or sends a restore from it. @returns its end */
function linkEnd(mode: Mode, wire: string, theirs: number): Promise<unknown> {
  const saving = mode === 'hvm_save';
  const link = spawn('dd', [`${saving ? 'of' : 'if'}=${wire}`, 'bs=1M', 'status=none'], {
    stdio: saving ? [theirs, 'ignore', 'inherit'] : ['ignore', theirs, 'inherit'],
  });
  closeSync(theirs);
  return once(link, 'exit');
}

function usageOf(pid: number): { cpu: number; peak: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return { cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND, peak: Number(kib) * 1024 };
}

export class Host {
  readonly #workshop: Workshop;
  readonly #first: string;
  readonly #last: string;

  private constructor(workshop: Workshop) {
    this.#workshop = workshop;
    this.#first = join(workshop.directory, 'first');
    this.#last = join(workshop.directory, 'last');
  }

  /** Writes a guest's stream: the image in as many rounds as `bytes` needs, and a little after the last stop. */
  static async create(image: string, bytes: number, scratch: string): Promise<Host> {
    const host = new Host(new Workshop(DD_EMU_MANAGER, join(scratch, 'emu-')));
    const guest = await createGuest({ format: 'libxc-pv', memory: { path: image }, seed: 1 });
    const sink = fileSink(host.#first);
    const writer = guest.openWriter(sink, false);
    await writer.begin();
    while (writer.bytes < bytes) {
      for (let at = 0; at < writer.frames && writer.bytes < bytes; at += BATCH_PAGES) {
        const count = Math.min(BATCH_PAGES, writer.frames - at);
        await writer.pages(Uint32Array.from({ length: count }, (_, i) => at + i));
      }
    }
    sink.next(host.#last);
    await writer.pages(Uint32Array.from({ length: 40 }, (_, i) => i));
    await writer.finish(undefined);
    await sink.finish();
    return host;
  }

  get bytes(): number {
    return statSync(this.#first).size + statSync(this.#last).size;
  }

  /** A path for a file that is removed with the host. */
  file(name: string): string {
    return join(this.#workshop.directory, name);
  }

  close(): void {
    this.#workshop.remove();
  }

  #xenopsd(mode: Mode, fd: number, front: FrontArguments, target: string): Xenopsd {
    return new Xenopsd({
      workshop: this.#workshop,
      mode,
      fd,
      // The real emu-manager does not know -compress.
      args: mode === 'hvm_save' && front !== undefined ? ['-live', 'true', '-compress', 'true'] : [],
      scenario: {},
      ...(front === undefined ? { program: this.#workshop.emuManager } : { options: front }),
      env: {
        BENCH_FIRST: this.#first,
        BENCH_LAST: this.#last,
        BENCH_TARGET: target,
        BENCH_BYTES: String(this.bytes),
      },
    });
  }

  async #leave(xenopsd: Xenopsd): Promise<void> {
    await xenopsd.say('quit');
    const status = await xenopsd.status();
    if (status !== 0) throw new Error(`emu-manager ended with ${status}`);
    rmSync(xenopsd.logFile, { force: true });
  }

  /** @param wire file for the bytes of the link */
  save(front: FrontArguments, wire: string): Promise<Passage> {
    return this.#passage({ mode: 'hvm_save', front, wire, target: '' }, async (xenopsd, begun) => {
      await xenopsd.expect('prepare:xenguest');
      const started = performance.now();
      await xenopsd.writeToStream(LIBXC_HEADER);
      await xenopsd.say('done');
      await xenopsd.expect('suspend:');
      const stopped = performance.now();
      await xenopsd.say('done');
      await xenopsd.expect('result:0 0');
      const ended = performance.now();
      return {
        wall: (ended - started) / 1e3,
        startUp: (started - begun) / 1e3,
        last: (ended - stopped) / 1e3,
        end: () => xenopsd.writeToStream(END_HEADER),
      };
    });
  }

  /** @param wire file with the bytes of a save */
  restore(front: FrontArguments, wire: string, target: string): Promise<Passage> {
    return this.#passage({ mode: 'hvm_restore', front, wire, target }, async (xenopsd) => {
      await xenopsd.readFromStream(LIBXC_HEADER.length);
      const started = performance.now();
      await xenopsd.say('restore:xenguest');
      await xenopsd.expect('result:xenguest 3 4');
      return {
        wall: (performance.now() - started) / 1e3,
        startUp: NaN,
        last: NaN,
        end: async () => {
          const end = await xenopsd.readFromStream(END_HEADER.length);
          if (!end.equals(END_HEADER)) throw new Error('END is lost');
        },
      };
    });
  }

  /** The common part of a save and a restore: the link, the resource usage, and the end of the conversation. */
  async #passage({ mode, front, wire, target }: Voyage, talk: Talk): Promise<Passage> {
    const before = childrenCpu();
    const { ours, theirs } = socketPair();
    const linkEnded = linkEnd(mode, wire, theirs);
    const begun = performance.now();
    const xenopsd = this.#xenopsd(mode, ours, front, target);
    const { end, ...times } = await talk(xenopsd, begun);
    const { cpu, peak } = usageOf(xenopsd.process.pid!);
    await end();
    await this.#leave(xenopsd);
    closeSync(ours);
    await linkEnded;
    return {
      ...times,
      cpu: front === undefined ? NaN : cpu,
      cpuOfAll: childrenCpu() - before,
      peak: front === undefined ? NaN : peak,
    };
  }

  /** Whether a restore has written the bytes that the save had read. */
  async same(target: string): Promise<boolean> {
    const script = 'cat "$1" "$2" | cmp -s - "$3"';
    const compare = spawn('sh', ['-c', script, 'sh', this.#first, this.#last, target], { stdio: 'ignore' });
    const [status] = (await once(compare, 'exit')) as [number | null];
    return status === 0;
  }

  /** Seconds from xenopsd's abort to the front's end, on a stalled link. */
  async abort(front: readonly string[]): Promise<number> {
    const { ours, theirs } = socketPair();
    const xenopsd = this.#xenopsd('hvm_save', ours, front, '');
    await xenopsd.expect('prepare:xenguest');
    await xenopsd.say('done');
    for (let last = 0, now = -1; now !== last || now === 0; await sleep(100)) {
      last = now;
      now = libc()?.unread(theirs) ?? 0;
    }
    const said = performance.now();
    await xenopsd.say('abort');
    await xenopsd.status();
    const seconds = (performance.now() - said) / 1e3;
    closeSync(ours);
    closeSync(theirs);
    return seconds;
  }
}
