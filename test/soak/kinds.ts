// The kinds of link in the soak. Each connects a sender and a receiver, acts once at the drawn moment, and returns how
// both ended. Kinds over sockets act at a byte of the link, the others after a share of a transfer's duration.

import { spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Cut, CutLink, type StopPoint } from './cut-link.js';
import { Program } from './program.js';
import type { Trial } from './rules.js';
import { relayTo } from './sockets.js';
import type { InputKind, Stage } from './stage.js';

export type Victim = 'sender' | 'receiver' | 'source' | 'destination';
export type Action =
  | { readonly kind: 'none' }
  | { readonly kind: 'kill'; readonly victim: Victim; readonly signal: NodeJS.Signals }
  | { readonly kind: 'cut'; readonly how: Cut };

/** Bytes and duration of a transfer without a fault, from which the moments are drawn. */
export interface Extent {
  readonly forward: number;
  readonly backward: number;
  readonly milliseconds: number;
}

export interface Moment {
  readonly stop: StopPoint;
  /** Duration, for kinds whose bytes cannot be counted. */
  readonly milliseconds: number;
}

export interface Played extends Trial {
  readonly counts: { readonly forward: number; readonly backward: number };
  readonly said: string;
}

export interface Kind {
  readonly name: string;
  readonly input: InputKind;
  /** Whether a trial can cut the link, besides killing its ends. */
  readonly cuts: boolean;
  readonly victims: readonly Victim[];
  play(stage: Stage, action: Action, moment: Moment | undefined): Promise<Played>;
}

/** Time-out for a stalled link. The soak's stall is longer. */
const IO_TIMEOUT = ['--io-timeout', '3s'];
const SEND = ['--compress-threads', '1', ...IO_TIMEOUT];
const OUTPUT = 'restored';

const BOTH: readonly Victim[] = ['sender', 'receiver'];
const SENDER: readonly Victim[] = ['sender'];

function act(
  action: Action,
  programs: Partial<Record<Victim, Program>>,
  link?: CutLink,
): Promise<void> | undefined {
  if (action.kind === 'kill') programs[action.victim]?.kill(action.signal);
  return action.kind === 'cut' ? link?.cut(action.how) : undefined;
}

/** Time after which the soak stops a program whose peer will not connect, as an operator would. */
const NO_PEER_MS = 10_000;

/** Stops a listener, which waits for its peer without a limit, after the other programs have ended without a byte. */
async function endWaiting(
  waiting: readonly Program[],
  others: readonly Program[],
  noBytesPassed: () => boolean,
): Promise<void> {
  await Promise.all(others.map(({ ended }) => ended));
  await sleep(NO_PEER_MS, undefined, { ref: false });
  if (!noBytesPassed()) return;
  for (const program of waiting) if (!program.over) program.kill('SIGTERM');
}

/** Acts after a time, on a link whose bytes cannot be counted. */
function actLater(
  moment: Moment | undefined,
  action: Action,
  programs: Partial<Record<Victim, Program>>,
): void {
  if (moment === undefined) return;
  void sleep(moment.milliseconds, undefined, { ref: false }).then(() => act(action, programs));
}

/** Waits for both ends and judges the destination. */
async function bothEnded(
  stage: Stage,
  folder: string,
  input: InputKind,
  { sender, receiver }: { readonly sender: Program; readonly receiver: Program },
  link?: CutLink,
): Promise<Omit<Played, 'duplex'>> {
  const [sent, received] = await Promise.all([sender.ended, receiver.ended]);
  return {
    sender: sent,
    receiver: received,
    destination: stage.judge(folder, OUTPUT, stage.inputs[input]),
    counts: link?.counts ?? { forward: 0, backward: 0 },
    said: sender.output + receiver.output,
  };
}

/** A kind with both ends on sockets of this process. */
function overSockets(name: string, input: InputKind, family: 'tcp' | 'unix', extra: string[] = []): Kind {
  return {
    name,
    input,
    cuts: true,
    victims: BOTH,
    play: async (stage, action, moment) => {
      const folder = stage.folder();
      const { path } = stage.inputs[input];
      const at = family === 'tcp' ? 'tcp-listen:127.0.0.1:0' : `unix-listen:${join(folder, 'r')}`;
      const receiver = new Program(['receive', ...IO_TIMEOUT, at, join(folder, OUTPUT)]);
      const programs: Partial<Record<Victim, Program>> = { receiver };
      const link: CutLink = new CutLink(moment?.stop, () => act(action, programs, link));
      const relay = await relayTo(await receiver.listening(), link, join(folder, 's'));
      const sender = new Program(['send', ...SEND, ...extra, path, relay.address]);
      programs.sender = sender;
      void endWaiting([receiver], [sender], () => link.counts.forward === 0);
      const played = await bothEnded(stage, folder, input, { sender, receiver }, link);
      relay.close();
      return { ...played, duplex: true };
    },
  };
}

/** A kind with both ends on an inherited descriptor (or stdin and stdout). This process holds the other end of each. */
function overDescriptors(name: string, input: InputKind, how: 'fd' | 'stdio'): Kind {
  return {
    name,
    input,
    cuts: true,
    victims: BOTH,
    play: async (stage, action, moment) => {
      const folder = stage.folder();
      const { path } = stage.inputs[input];
      const number = how === 'fd' ? 'fd:3' : '-';
      const stdio =
        how === 'fd' ? (['ignore', 'pipe', 'pipe', 'pipe'] as const) : (['pipe', 'pipe', 'pipe'] as const);
      const receiver = new Program(['receive', ...IO_TIMEOUT, number, join(folder, OUTPUT)], [...stdio]);
      const sender = new Program(['send', ...SEND, path, number], [...stdio]);
      const link: CutLink = new CutLink(moment?.stop, () => act(action, { sender, receiver }, link));
      const from = how === 'fd' ? sender.process.stdio[3] : sender.process.stdout;
      const to = how === 'fd' ? receiver.process.stdio[3] : receiver.process.stdin;
      if (how === 'stdio') sender.process.stdin?.end();
      to!.on('error', () => undefined);
      link.joinOneWay(from as unknown as Socket, to as unknown as Socket);
      return { ...(await bothEnded(stage, folder, input, { sender, receiver }, link)), duplex: false };
    },
  };
}

/** A kind with a named pipe between both ends, whose bytes this process cannot see. */
function overFifo(input: InputKind): Kind {
  return {
    name: 'fifo',
    input,
    cuts: false,
    victims: BOTH,
    play: async (stage, action, moment) => {
      const folder = stage.folder();
      const fifo = join(folder, 'fifo');
      if (spawnSync('mkfifo', [fifo]).status !== 0) throw new Error('mkfifo failed');
      const limits = ['--connect-timeout', '20s'];
      const receiver = new Program(['receive', ...IO_TIMEOUT, ...limits, fifo, join(folder, OUTPUT)]);
      const sender = new Program(['send', ...SEND, ...limits, stage.inputs[input].path, fifo]);
      actLater(moment, action, { sender, receiver });
      // Opening a pipe blocks until the other end is open, without a limit. The soak therefore stops the survivor.
      void Promise.race([sender.ended, receiver.ended]).then(async () => {
        await sleep(30_000, undefined, { ref: false });
        sender.kill('SIGTERM');
        receiver.kill('SIGTERM');
      });
      return { ...(await bothEnded(stage, folder, input, { sender, receiver })), duplex: false };
    },
  };
}

/** A kind with only a sender, into a file. If the file exists, it is restored and compared. */
function intoFile(input: InputKind, extra: string[] = []): Kind {
  return {
    name: extra.length === 0 ? 'file' : `file ${extra.at(-1)!}`,
    input,
    cuts: false,
    victims: SENDER,
    play: async (stage, action, moment) => {
      const folder = stage.folder();
      const file = join(folder, 'guest.rf');
      const sender = new Program(['send', ...SEND, ...extra, stage.inputs[input].path, file]);
      actLater(moment, action, { sender });
      const sent = await sender.ended;
      // A file under its final name must be whole, however the sender ended.
      const restore = new Program(['receive', file, join(folder, OUTPUT)]);
      const restored = await restore.ended;
      const destination = stage.judge(folder, OUTPUT, stage.inputs[input]);
      // The file exists but cannot be restored, so it is a partial file. Status 3 (ERR_INPUT_OPEN) means no file.
      const half = destination.output === 'absent' && restored.status !== 3;
      return {
        sender: sent,
        receiver: undefined,
        destination: half ? { ...destination, output: 'other' } : destination,
        duplex: false,
        counts: { forward: 0, backward: 0 },
        said: sender.output + restore.output,
      };
    },
  };
}

/** A kind with a command as the link: the receiver is a child of the sender's shell. */
function overCommand(input: InputKind): Kind {
  return {
    name: 'exec',
    input,
    cuts: false,
    victims: SENDER,
    play: async (stage, action, moment) => {
      const folder = stage.folder();
      const receiver = Program.shellCommand(['receive', ...IO_TIMEOUT, '-', join(folder, OUTPUT)]);
      const sender = new Program(['send', ...SEND, stage.inputs[input].path, `exec:${receiver}`]);
      actLater(moment, action, { sender });
      const sent = await sender.ended;
      // The command of a killed sender notices the kill by the end of its input.
      if (sent.status === null) await sleep(1500);
      const destination = stage.judge(folder, OUTPUT, stage.inputs[input]);
      const said = sender.output;
      const counts = { forward: 0, backward: 0 };
      return { sender: sent, receiver: undefined, destination, duplex: false, counts, said };
    },
  };
}

/** A kind with a simulated guest that migrates live through both commands, with a return path. */
function live(name: string, format: string): Kind {
  return {
    name,
    input: 'qemu',
    cuts: true,
    victims: ['sender', 'receiver', 'source', 'destination'],
    play: async (stage, action, moment) => {
      const folder = stage.folder();
      const [out, into] = [join(folder, 'out'), join(folder, 'in')];
      const destination = new Program(['guest', 'destination', ...IO_TIMEOUT, `unix-listen:${into}`]);
      await destination.listening();
      const receiver = new Program(['receive', ...IO_TIMEOUT, 'tcp-listen:127.0.0.1:0', `unix:${into}`]);
      const programs: Partial<Record<Victim, Program>> = { receiver, destination };
      const link: CutLink = new CutLink(moment?.stop, () => act(action, programs, link));
      const relay = await relayTo(await receiver.listening(), link, '');
      const sender = new Program(['send', ...SEND, `unix-listen:${out}`, relay.address]);
      programs.sender = sender;
      await sender.listening();
      const load = ['--size', '8MiB', '--format', format, '--rounds', '2', '--dirty-rate', '8MB'];
      const source = new Program(['guest', 'source', ...IO_TIMEOUT, ...load, `unix:${out}`]);
      programs.source = source;
      const nothingCame = (): boolean => link.counts.forward === 0;
      void endWaiting([receiver], [source, sender], nothingCame);
      void endWaiting([sender], [source], nothingCame);
      // The guests stand for hypervisors, whose waiting is not under test.
      void endWaiting([source], [sender], () => true);
      void endWaiting([destination], [receiver], () => true);
      const ends = await Promise.all([source, sender, receiver, destination].map(({ ended }) => ended));
      relay.close();
      const { leftovers } = stage.judge(folder, OUTPUT, stage.inputs.qemu);
      const output = ends[3]!.status === 0 ? 'whole' : 'absent';
      return {
        sender: ends[1]!,
        receiver: ends[2]!,
        destination: { output, leftovers },
        duplex: true,
        guests: { source: ends[0]!, destination: ends[3]! },
        counts: link.counts,
        said: [source, sender, receiver, destination].map((program) => program.output).join(''),
      };
    },
  };
}

export const KINDS: readonly Kind[] = [
  overSockets('tcp', 'image', 'tcp'),
  overSockets('unix', 'image', 'unix'),
  overSockets('tcp qemu', 'qemu', 'tcp'),
  overSockets('tcp libxc', 'libxc', 'tcp'),
  overSockets('unix xl', 'xl', 'unix'),
  overSockets('tcp frames', 'qemu', 'tcp', ['--method', 'stream']),
  overDescriptors('fd', 'image', 'fd'),
  overDescriptors('stdio', 'libxc', 'stdio'),
  overFifo('image'),
  intoFile('image'),
  intoFile('qemu', ['--method', 'stream']),
  overCommand('image'),
  live('live qemu', 'qemu'),
  live('live xl', 'xl-pv'),
];
