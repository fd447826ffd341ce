// `ramferry emu-manager`: xenopsd starts it in the place of emu-manager, and it starts the real emu-manager.
// Only compressed saves and restores pass through this front; the real emu-manager does everything else alone.

import { RamferryError, toRamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { inputOpenError, outputOpenError } from '../../io/system-error.js';
import { openInheritedInput, openInheritedOutput } from '../../link/inherited.js';
import { packageVersion } from '../../os/version.js';
import { EmuArguments, type EmuRequest } from './emu-arguments.js';
import { type Carrier, Engine } from './emu-engine.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import { EMU_EXIT, errorLine, type FrontLog } from './emu-conversation.js';
import { EmuFront } from './emu-front.js';
import { isOwn } from './descriptors.js';
import { EmuProcess, onSignals, runUntouched } from './emu-process.js';
import { MemoryRestore, MemorySave, VgpuRestore, VgpuSave } from './emu-streams.js';
import { startSpan } from './tracing.js';

export interface EmuManagerSettings {
  readonly options: EmuOptions;
  /** Path of the real emu-manager. */
  readonly exec: string;
  /** Its arguments, as xenopsd gave them. */
  readonly args: readonly string[];
  readonly log: FrontLog;
  /** Aborted by an uncaught error of ramferry: the front then ends with a failure. */
  readonly signal?: AbortSignal;
}

/** Does one save or restore, and resolves with the exit status. Rejects only when the control channel cannot be opened. */
export async function emuManager(settings: EmuManagerSettings): Promise<number> {
  const args = new EmuArguments(settings.args);
  const { request } = args;
  if (request === undefined || (request.saving && !request.compress)) {
    const { fd, controlIn, controlOut, others } = request ?? { others: new Map<string, number>() };
    const fds = [fd, controlIn, controlOut, ...others.values()].filter((number) => number !== undefined);
    return runUntouched(settings.exec, args.forReal(), fds);
  }
  const parent = { traceparent: request.traceparent, tracestate: request.tracestate };
  const span = await startSpan(`ramferry ${request.mode}`, packageVersion(), parent);
  let carrier: Carrier | undefined;
  let failure: RamferryError | undefined;
  const log: FrontLog = {
    ...settings.log,
    error: (error) => {
      failure = error;
      settings.log.error(error);
    },
  };
  const status = await converse({ ...settings, log }, args, request, (memory) => (carrier = memory));
  const { guestBytes = 0, linkBytes = 0 } = carrier?.statistics ?? {};
  const attributes = { domid: request.domid ?? '', status, guestBytes, linkBytes };
  await span.end(attributes, failure);
  return status;
}

async function converse(
  settings: EmuManagerSettings,
  args: EmuArguments,
  request: EmuRequest,
  onMemory: (memory: Carrier) => void,
): Promise<number> {
  const { log, exec, signal } = settings;
  const forEver = { ioTimeout: 0 };
  const answers = openInheritedOutput(request.controlOut, '-controloutfd', forEver).sink!;
  let front: EmuFront | undefined;
  let early: NodeJS.Signals | undefined;
  onSignals((signal) => {
    if (front === undefined) early = signal;
    else front.signalled(signal);
  });
  try {
    const commands = openInheritedInput(request.controlIn, '-controlinfd', forEver).source!;
    refuseSharedLive(request);
    const engine = new Engine(settings.options, (text) => log.warn(text));
    checkOpen(request);
    const real = await EmuProcess.start(exec, args, request, engine.compressVgpu);
    const { mode, domid, live } = request;
    log.info({ mode, domid, live, ...engine.describe() }, 'started');
    const memory = request.saving
      ? new MemorySave(engine, real.memory, request.fd)
      : new MemoryRestore(engine, real.memory, request.fd);
    onMemory(memory);
    const vgpuFd = request.others.get('vgpu');
    const vgpu =
      real.vgpu === undefined || vgpuFd === undefined
        ? undefined
        : new (request.saving ? VgpuSave : VgpuRestore)(engine, real.vgpu, vgpuFd);
    front = new EmuFront({ request, commands, answers, real, memory, vgpu, log });
  } catch (thrown) {
    const error = toRamferryError(thrown);
    log.error(error);
    await answers.write(errorLine(error)).catch(() => undefined);
    return EMU_EXIT.startUp;
  }
  const ended = front.run();
  onAbort(signal, () => front.fail(toRamferryError(signal!.reason)));
  if (early !== undefined) front.signalled(early);
  return ended;
}

/** Checks the descriptors of the streams. @throws RamferryError ERR_INPUT_OPEN, ERR_OUTPUT_OPEN */
function checkOpen({ fd, others, saving }: EmuRequest): void {
  const named = [...others].map(([name, number]) => ({ label: `-dm ${name}:${number}`, number }));
  for (const { label, number } of [{ label: `-fd ${fd}`, number: fd }, ...named]) {
    try {
      if (isOwn(number)) throw new Error("it is one of Node's own descriptors");
    } catch (thrown) {
      throw saving ? outputOpenError(label, thrown) : inputOpenError(label, thrown);
    }
  }
}

/** emu-manager detects a shared descriptor by its number, but the front gives xenguest a descriptor of its own. */
function refuseSharedLive({ saving, live, fd, others }: EmuRequest): void {
  if (!saving || !live || ![...others.values()].includes(fd)) return;
  throw new RamferryError('ERR_USAGE', 'a live migration cannot share one descriptor between two emulators', {
    hint: 'the other emulator needs a descriptor of its own (-dm NAME:FD)',
  });
}
