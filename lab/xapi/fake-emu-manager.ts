// A stand-in for emu-manager and its emulators, in its own process. It sends and awaits the real one's messages, and
// moves a stream with blocking reads and writes, as xenguest does. FAKE_EMU in the environment describes the scenario.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { promisify } from 'node:util';
import { streamToFile } from './stream-to-file.js';

export interface FakeScenario {
  /** Save: file of the bytes that the emulators write. Restore: file for the bytes that they read. */
  readonly memory?: string;
  readonly vgpu?: string;
  /** Restore: length of the vGPU's stream. */
  readonly vgpuBytes?: number;
  /** Save: number of bytes that xenguest writes behind its END. */
  readonly surplus?: number;
  /** Save: sends `result:` without having written END. */
  readonly early?: boolean;
  /** Ends by SIGKILL after this many bytes of memory. */
  readonly dieAt?: number;
  /** Fails with an `error:` line after this many bytes. */
  readonly failAt?: number;
  /** Closes the memory descriptor after this many bytes, without a message. */
  readonly closeAt?: number;
  /** Stops moving bytes after this many. */
  readonly stallAt?: number;
  /** After the last result: runs on with all descriptors open until the command `leave`. */
  readonly lingers?: boolean;
  /** Ignores `abort` and the end of the channel for DEAF_MS. */
  readonly deaf?: boolean;
  /** xenguest is its own process, which takes this many milliseconds to end; emu-manager ends after it. */
  readonly xenguestEnds?: number;
  /** After an `error:` line: ends only with the control channel, as emu-manager does while it waits for xenguest. */
  readonly errorLingers?: boolean;
  /** Save: a line that it sends right before the result. */
  readonly chatter?: string;
  /** Save: sends `error:` right behind `prepare:vgpu`, as after a late answer. */
  readonly impatient?: boolean;
  /** File for the arguments, one a line, and every command received. */
  readonly notes: string;
}

const scenario = JSON.parse(process.env['FAKE_EMU'] ?? '{}') as FakeScenario;
const PIECE = 256 * 1024;
/** Longer than any front waits for its emu-manager. The process then ends, so no test leaves it behind. */
const DEAF_MS = 30_000;

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

// Commands received.
const commands: string[] = [];
let awaited: (() => void) | undefined;
let stopping = false;
let stopStatus: 0 | 2 = 0;
/** Whether an `error:` line has been sent. */
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
 * Tells every emulator to stop. An emulator that blocks in a read or write delays this by a minute.
 * @param status 0: stopped by `abort`, without a message; 2: the end of the channel, which is an error
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

/** Called when no emulator moves bytes any more. The last messages follow the end of all emulators. */
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

/** Starts xenguest, which holds the memory's descriptor. @param milliseconds time from `quit` to its end */
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

/** Waits 200 ms, since xenguest's failure reaches emu-manager through another process. */
function reportDelay(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}

/** Runs one blocking system call on another thread, as if in another process. */
async function move<T>(call: Promise<T>): Promise<T> {
  moving = true;
  try {
    return await call;
  } catch (thrown) {
    noted(`stream error ${(thrown as NodeJS.ErrnoException).code ?? ''}`);
    await reportDelay();
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

/** Tells xenguest to quit after the result. Its descriptors close only then. */
async function leave(): Promise<void> {
  if (scenario.lingers === true) await command('leave');
  process.exit(0);
}

async function restore(): Promise<void> {
  await command('restore:xenguest');
  const isWhole = await streamToFile(scenario.memory!, {
    piece: PIECE,
    read: async (buffer, at, room) => (await move(read(memoryFd, buffer, at, room, null))).bytesRead,
    onPiece: (bytes) => {
      moved += bytes;
      return accident();
    },
  });
  if (!isWhole) {
    await reportDelay();
    say('error:xenguest: unexpected end of file');
    process.exit(2);
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
