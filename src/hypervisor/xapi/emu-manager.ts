// `ramferry emu-manager`: xenopsd starts it in the place of emu-manager, and it starts the real emu-manager.
// Only compressed saves and restores pass through this front; the real emu-manager does everything else alone.

import { RamferryError, toRamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { inputOpenError, outputOpenError } from '../../io/system-error.js';
import { openInheritedInput, openInheritedOutput } from '../../link/inherited.js';
import { EmuArguments, type EmuRequest } from './emu-arguments.js';
import type { Carrier } from './carrier.js';
import type { Engine } from './emu-engine.js';
import { EngineLoader } from './engine-loader.js';
import { EMU_EXIT, errorLine, type FrontLog } from './emu-conversation.js';
import { EmuFront } from './emu-front.js';
import { detach, isOwn } from './descriptors.js';
import { EmuProcess, onSignals, runUntouched } from './emu-process.js';
import { MemoryRestore, MemorySave, VgpuRestore, VgpuSave } from './emu-streams.js';
import type { FrontObserver } from './front-observer.js';
import { FrontTrace } from './front-trace.js';
import type { TraceParent } from '../../trace/context.js';

export interface EmuManagerSettings {
  /** Loads the engine. Rejects with ERR_OPTION_INVALID or ERR_CODEC_UNAVAILABLE. */
  readonly loadEngine: () => Promise<Engine>;
  /**
   * Given where no option needs a check: then the real emu-manager starts before the engine loads. Without it the engine loads
   * first, and an invalid option starts nothing.
   */
  readonly early?: { readonly compressVgpu: boolean } | undefined;
  /** Path of the real emu-manager. */
  readonly exec: string;
  /** Its arguments, as xenopsd gave them. */
  readonly args: readonly string[];
  readonly log: FrontLog;
  /** The trace to join where xenopsd's arguments name none. */
  readonly traceParent?: TraceParent | undefined;
  /** Called before anything starts, where the front carries a stream: makes a further watcher of it. */
  readonly observe?: ((request: EmuRequest) => FrontObserver | undefined) | undefined;
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
  const trace = await FrontTrace.open(request, settings.traceParent);
  const observers = [trace, settings.observe?.(request)].filter((each) => each !== undefined);
  const log: FrontLog = {
    first: (fields, message) => logFirst(settings.log, fields, message),
    info: (fields, message) => settings.log.info(fields, message),
    warn: (message) => settings.log.warn(message),
    error: (error) => {
      for (const each of observers) each.failed(error);
      settings.log.error(error);
    },
  };
  const end = (status: number): Promise<unknown> => Promise.all(observers.map((each) => each.end(status)));
  try {
    const status = await converse({ ...settings, log }, args, request, (memory) => {
      for (const each of observers) each.follow(memory);
    });
    await end(status);
    return status;
  } catch (thrown) {
    const error = toRamferryError(thrown);
    for (const each of observers) each.failed(error);
    await end(EMU_EXIT.startUp);
    throw thrown;
  }
}

async function converse(
  settings: EmuManagerSettings,
  args: EmuArguments,
  request: EmuRequest,
  onMemory: (memory: Carrier) => void,
): Promise<number> {
  const { log, signal } = settings;
  const forEver = { ioTimeout: 0 };
  const answers = openInheritedOutput(request.controlOut, '-controloutfd', forEver).sink!;
  let front: EmuFront | undefined;
  let early: NodeJS.Signals | undefined;
  onSignals((signal) => {
    if (front === undefined) early = signal;
    else front.signalled(signal);
  });
  let loader: EngineLoader | undefined;
  try {
    const commands = openInheritedInput(request.controlIn, '-controlinfd', forEver).source!;
    refuseSharedLive(request);
    const { real, engine } = await startReal(settings, args, request);
    loader = engine;
    const { memory, vgpu } = carriers(real, engine.loaded, request);
    onMemory(memory);
    const closeControl = (): void => {
      void commands.close();
      void answers.abort();
      for (const fd of new Set([request.controlIn, request.controlOut])) if (fd > 2) detach(fd);
    };
    const onLine = (): void => engine.begin();
    front = new EmuFront({ request, commands, answers, real, memory, vgpu, log, onLine, closeControl });
  } catch (thrown) {
    const error = toRamferryError(thrown);
    log.error(error);
    await answers.write(errorLine(error)).catch(() => undefined);
    return EMU_EXIT.startUp;
  }
  const ended = front.run();
  onAbort(signal, () => front.fail(toRamferryError(signal!.reason)));
  if (early !== undefined) front.signalled(early);
  const { mode, domid, live } = request;
  loader.loaded.then(
    (engine) => logFirst(log, { mode, domid, live, ...engine.describe() }, 'started'),
    (thrown: unknown) => front.fail(toRamferryError(thrown), EMU_EXIT.startUp),
  );
  const status = await ended;
  loader.stop();
  return status;
}

function logFirst(log: FrontLog, fields: object, message: string): void {
  if (log.first === undefined) log.info(fields, message);
  else log.first(fields, message);
}

/** Starts the real emu-manager: before the engine loads, or after it where an option needs a check. */
async function startReal(
  { exec, loadEngine, early }: EmuManagerSettings,
  args: EmuArguments,
  request: EmuRequest,
): Promise<{ real: EmuProcess; engine: EngineLoader }> {
  const checked = early === undefined ? await loadEngine() : undefined;
  checkOpen(request);
  const compressVgpu = early?.compressVgpu ?? checked!.compressVgpu;
  const real = await EmuProcess.start(exec, args, request, compressVgpu);
  const engine = new EngineLoader(checked === undefined ? loadEngine : () => Promise.resolve(checked));
  if (checked !== undefined) engine.begin();
  return { real, engine };
}

function carriers(
  real: EmuProcess,
  engine: Promise<Engine>,
  { saving, fd, others }: EmuRequest,
): { memory: Carrier; vgpu: VgpuSave | VgpuRestore | undefined } {
  const memory = new (saving ? MemorySave : MemoryRestore)(engine, real.memory, fd);
  const vgpuFd = others.get('vgpu');
  if (real.vgpu === undefined || vgpuFd === undefined) return { memory, vgpu: undefined };
  return { memory, vgpu: new (saving ? VgpuSave : VgpuRestore)(engine, real.vgpu, vgpuFd) };
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
