// A stand-in for emu-manager and its emulators, in a process of its own: it says and awaits what the real one does, and
// moves a stream with blocking reads and writes, as xenguest does. FAKE_EMU in the environment says how.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { promisify } from 'node:util';
import { LibxcRecords } from '../../src/grammar/xen/libxc-records.js';

export interface FakeScenario {
  /** Save: what the emulators write. Restore: where what they read is put. */
  readonly memory?: string;
  readonly vgpu?: string;
  /** Restore: bytes of the vGPU's stream. */
  readonly vgpuBytes?: number;
  /** Save: bytes that xenguest writes behind its END. */
  readonly surplus?: number;
  /** Save: say `result:` without having written END. */
  readonly early?: boolean;
  /** Dies by SIGKILL when so many bytes of memory have passed. */
  readonly dieAt?: number;
  /** Fails with an `error:` line when so many bytes have passed. */
  readonly failAt?: number;
  /** Closes the memory descriptor when so many bytes have passed, and says and does nothing about it. */
  readonly closeAt?: number;
  /** Moves no more after so many bytes. */
  readonly stallAt?: number;
  /** After the last result: stays, with all descriptors open, until the command `leave`. */
  readonly lingers?: boolean;
  /** Takes no notice of `abort` and of the end of the channel for a while. */
  readonly deaf?: boolean;
  /** xenguest is a process of its own that needs so many milliseconds to end; emu-manager ends after it. */
  readonly xenguestEnds?: number;
  /** After an `error:` line: ends only when the control channel has ended, as while it waits for xenguest. */
  readonly errorLingers?: boolean;
  /** Save: says this right before the result. */
  readonly chatter?: string;
  /** Save: `error:` right behind `prepare:vgpu`, as when the answer comes too late. */
  readonly impatient?: boolean;
  /** File for the arguments, one a line, and every command that came. */
  readonly notes: string;
}

const scenario = JSON.parse(process.env['FAKE_EMU'] ?? '{}') as FakeScenario;
const PIECE = 256 * 1024;
/** Longer than any front waits for its emu-manager; then nothing of a test stays behind. */
const DEAF_MS = 30_000;
const NO_RECORD_MATTERS = {
  full: false,
  between: () => undefined,
  begin: () => undefined,
  body: (_record: unknown, _data: Uint8Array, start: number, end: number) => end - start,
  padding: () => undefined,
  end: () => undefined,
};

const words = process.argv.slice(2);
const noted = (text: string): void => fs.appendFileSync(scenario.notes, `${text}\n`);
for (const word of words) noted(`arg ${word}`);
noted(`pid ${process.pid}`);
process.on('exit', () => noted('gone'));

function option(name: string): string | undefined {
  for (let at = 0; at < words.length; at++) {
    const [written, value] = words[at]!.replace(/^--?/, '').split('=');
    if (written === name && words[at]!.startsWith('-')) return value ?? words[at + 1];
  }
  return undefined;
}

if (option('supports') !== undefined) {
  fs.writeSync(1, 'true\n');
  process.exit(0);
}
if (option('compress') !== undefined) process.exit(1); // today's emu-manager does not know it

const mode = option('mode')!;
const memoryFd = Number(option('fd'));
const out = Number(option('controloutfd'));
const dm = option('dm');
const vgpuFd = dm === undefined ? undefined : Number(dm.split(':')[1]);

// Commands.
const commands: string[] = [];
let awaited: (() => void) | undefined;
let stopping = false;
let stopStatus: 0 | 2 = 0;
/** An `error:` line has been said. */
let failed = false;
const input = new net.Socket({ fd: Number(option('controlinfd')), readable: true, writable: false });
let pending = '';
input.on('data', (data: Buffer) => {
  pending += data.toString('latin1');
  const lines = pending.split('\n');
  pending = lines.pop()!;
  for (const line of lines) {
    noted(`command ${line}`);
    if (line === 'abort') stop(0);
    commands.push(line);
  }
  awaited?.();
});
input.on('end', () => {
  noted('command-eof');
  if (failed) process.exit(2);
  stop(2);
});
input.on('error', () => stop(2));

/**
 * Every emulator is told to stop; one that sits in a read or write costs a minute.
 * @param status 0: by `abort`, which is obeyed without a word; 2: the end of the channel is an error
 */
function stop(status: 0 | 2): void {
  if (stopping) return;
  if (scenario.deaf === true) {
    setTimeout(() => process.exit(0), DEAF_MS);
    return;
  }
  stopping = true;
  stopStatus = status;
  if (!moving) stopped();
  setTimeout(() => {
    noted('emulator had to be killed');
    process.exit(0);
  }, 60_000);
}

/** No emulator moves anything any more: the last words come when all have gone. */
function stopped(): void {
  const end = (): never => {
    if (stopStatus !== 0) say('error:Broken pipe');
    process.exit(stopStatus);
  };
  if (xenguest === undefined) end();
  else {
    xenguest.once('exit', end);
    xenguest.stdin!.end();
  }
}

/** It has the memory's descriptor, and takes its time when it is told to quit. */
function startXenguest(milliseconds: number): ChildProcess {
  const script = 'echo "xenguest $$" >>"$1"; read -r line; sleep "$2"; echo "xenguest gone" >>"$1"';
  const words = ['-c', script, 'xenguest', scenario.notes, String(milliseconds / 1000)];
  return spawn('/bin/sh', words, { stdio: ['pipe', 'ignore', 'inherit', memoryFd] });
}

let moving = false;
let moved = 0;
const xenguest = scenario.xenguestEnds === undefined ? undefined : startXenguest(scenario.xenguestEnds);

async function command(expected: string): Promise<void> {
  while (!commands.includes(expected)) await new Promise<void>((resolve) => (awaited = resolve));
  commands.splice(commands.indexOf(expected), 1);
}

function say(line: string): void {
  fs.writeSync(out, `${line}\n`);
}

/** xenguest's own failure takes its way through another process. */
function report(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}

/** One blocking system call on another thread, as in another process. */
async function move<T>(call: Promise<T>): Promise<T> {
  moving = true;
  try {
    return await call;
  } catch (thrown) {
    noted(`stream error ${(thrown as NodeJS.ErrnoException).code ?? ''}`);
    await report();
    if (!stopping) {
      say('error:xenguest failed');
      process.exit(2);
    }
    throw thrown;
  } finally {
    moving = false;
    if (stopping) {
      stopped();
      await new Promise(() => undefined);
    }
  }
}

const write = promisify(fs.write);
const read = promisify(fs.read);

function accident(): Promise<void> | undefined {
  if (scenario.dieAt !== undefined && moved >= scenario.dieAt) process.kill(process.pid, 'SIGKILL');
  if (scenario.failAt !== undefined && moved >= scenario.failAt) {
    say('error:error code -5');
    failed = true;
    if (scenario.errorLingers === true) return new Promise(() => undefined);
    process.exit(2);
  }
  if (scenario.closeAt !== undefined && moved >= scenario.closeAt) {
    fs.closeSync(memoryFd);
    return new Promise(() => undefined);
  }
  if (scenario.stallAt !== undefined && moved >= scenario.stallAt) {
    noted('stalled');
    return new Promise(() => undefined);
  }
  return undefined;
}

async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await move(write(fd, bytes, at, Math.min(PIECE, bytes.length - at), null));
    at += bytesWritten;
    moved += bytesWritten;
    await accident();
  }
}

async function save(): Promise<void> {
  const memory = fs.readFileSync(scenario.memory!);
  const half = Math.floor(memory.length / 2);
  const end = scenario.early === true ? memory.length - 8 : memory.length;
  const live = option('live') === 'true';
  const suspend = async (): Promise<void> => {
    say('suspend:');
    await command('done');
  };
  if (!live) await suspend();
  say('prepare:xenguest');
  await command('done');
  await writeAll(memoryFd, memory.subarray(0, half));
  say('info:\\b\\b\\b\\b50');
  if (live) await suspend();
  await writeAll(memoryFd, memory.subarray(half, end));
  if (scenario.surplus !== undefined) await writeAll(memoryFd, Buffer.alloc(scenario.surplus, 7));
  if (scenario.vgpu !== undefined) {
    say('prepare:vgpu');
    if (scenario.impatient === true) {
      say('error:error code -62');
      process.exit(2);
    }
    await command('done');
    await writeAll(vgpuFd!, fs.readFileSync(scenario.vgpu));
  }
  if (scenario.chatter !== undefined) say(scenario.chatter);
  say('result:0 0');
  await leave();
}

/** xenguest is told to quit after the result, and only then do its descriptors close. */
async function leave(): Promise<void> {
  if (scenario.lingers === true) await command('leave');
  process.exit(0);
}

async function restore(): Promise<void> {
  await command('restore:xenguest');
  const file = fs.openSync(scenario.memory!, 'w');
  const records = new LibxcRecords();
  const buffer = Buffer.alloc(PIECE);
  let filled = 0;
  while (records.state === 'open') {
    const room = Math.min(records.certainBytes - filled, buffer.length - filled);
    const { bytesRead } = await move(read(memoryFd, buffer, filled, room, null));
    if (bytesRead === 0) {
      await report();
      say('error:xenguest: unexpected end of file');
      process.exit(2);
    }
    fs.writeSync(file, buffer, filled, bytesRead);
    filled += bytesRead;
    moved += bytesRead;
    const taken = records.scan(buffer.subarray(0, filled), false, NO_RECORD_MATTERS);
    buffer.copyWithin(0, taken, filled);
    filled -= taken;
    await accident();
  }
  say('result:xenguest 3 4');
  if (vgpuFd !== undefined) {
    await command('restore:vgpu');
    const bytes = Buffer.alloc(scenario.vgpuBytes!);
    for (let at = 0; at < bytes.length;) {
      at += (await move(read(vgpuFd, bytes, at, bytes.length - at, null))).bytesRead;
    }
    fs.writeFileSync(scenario.vgpu!, bytes);
    say('result:vgpu');
  }
  await leave();
}

await (mode.endsWith('save') ? save() : restore());
